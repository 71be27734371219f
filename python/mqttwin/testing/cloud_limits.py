"""What cloud services allow one device, for `conformance`."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConfigError


@dataclass(frozen=True)
class CloudLimits:
    """Documented limits of a service for one connection; None: none is documented.

    Attributes:
        name: Of the service.
        source: Where the figures are from.
        payload: Bytes of a message.
        publishes: Messages a second from the device.
        throughput: Bytes of payload a second from the device.
        subscriptions: Topic filters.
        connects: CONNECT packets a second.
        keep_alive: The longest, in seconds.
        maximum_qos: The highest quality of service that it takes.
    """

    name: str
    source: str
    payload: int | None = None
    publishes: float | None = None
    throughput: float | None = None
    subscriptions: int | None = None
    connects: float | None = None
    keep_alive: int | None = None
    maximum_qos: int = 2


CLOUDS = {
    "aws_iot_core": CloudLimits(
        "AWS IoT Core",
        "AWS quota table for AWS IoT Core, third-party copies read 2026-10",
        payload=128 * 1024,
        publishes=100,
        throughput=512 * 1024,
        subscriptions=50,
        connects=1,
    ),
    "azure_iot_hub": CloudLimits(
        "Azure IoT Hub",
        "azure-docs, 2019-08-08: message size (256 KB)",
        payload=256 * 1024,
    ),
    "azure_event_grid": CloudLimits(
        "Azure Event Grid MQTT",
        "learn.microsoft.com, Event Grid quotas and limits: keep-alive, QoS",
        keep_alive=1160,
        maximum_qos=1,
    ),
}


def limits_of(cloud: str | CloudLimits | None) -> CloudLimits | None:
    """Limits by the name of the service, or one's own.

    Raises:
        ConfigError: Nobody knows it.
    """
    if cloud is None or isinstance(cloud, CloudLimits):
        return cloud
    if cloud not in CLOUDS:
        raise ConfigError(f"{cloud!r} is none of {', '.join(CLOUDS)}", key="cloud")
    return CLOUDS[cloud]
