"""A ready suite for firmware: what any device should do, whatever it measures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .. import units
from ..errors import ConfigError
from ..link_spec import Link
from ..units import Duration
from .cloud_limits import CloudLimits, limits_of
from .rig import Failure, Rig, Skipped, Suite

Verdict = Literal["pass", "fail", "skip"]


@dataclass(frozen=True)
class Check:
    """What one check of `conformance` found.

    Attributes:
        name: Such as "backoff".
        title: What is asked.
        verdict: "pass", "fail" or "skip".
        reason: Why, in one line.
        exchange: Of a failure, the last packets.
    """

    name: str
    title: str
    verdict: Verdict
    reason: str
    exchange: str = ""


class Report:
    """What `conformance` found: prints as a table.

    Attributes:
        device: The name of the class.
        checks: One a question, in order.
        seed: With which it was found.
    """

    def __init__(self, device: str, checks: list[Check], seed: int) -> None:
        self.device = device
        self.checks = checks
        self.seed = seed

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failed

    @property
    def failed(self) -> list[str]:
        """The names of the checks that failed."""
        return [check.name for check in self.checks if check.verdict == "fail"]

    def __getitem__(self, name: str) -> Check:
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def __iter__(self) -> Iterator[Check]:
        return iter(self.checks)

    def __str__(self) -> str:
        counts = {v: sum(c.verdict == v for c in self.checks) for v in ("pass", "fail", "skip")}
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        width = max((len(c.name) for c in self.checks), default=0)
        lines = [f"{self.device}: {told} (seed {self.seed})"]
        lines += [f"  {c.verdict:<4}  {c.name:<{width}}  {c.reason}" for c in self.checks]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"<Report of {self.device}: {'ok' if self.ok else 'failed ' + ', '.join(self.failed)}>"
        )


def conformance(
    device_class: type,
    *,
    rate: Mapping[str, Duration] | None = None,
    cloud: str | CloudLimits | None = "aws_iot_core",
    link: Link | None = None,
    commands: Mapping[str, bytes | str] | None = None,
    checks: Iterable[str] | None = None,
    seed: int = 1,
    **parameters: Any,
) -> Report:
    """Puts a firmware through everything that happens to devices in the field.

    Each check has worlds of its own, in virtual time.

    Args:
        device_class: A subclass of `mqttwin.Device`.
        rate: What it declares to publish: ``{"pump/+/flow": "30s"}``, a filter and the period of
            each device.
        cloud: Whose limits it is to keep: "aws_iot_core", "azure_iot_hub", "azure_event_grid", one
            of your own, or None.
        link: Between the device and the broker; by default 20 ms each way.
        commands: What it understands, by topic filter: ``{"pump/+/cmd": b"5.0"}``. Such a command
            is sent at QoS 2 while connections are cut; where none is given it is ``b"0"``, as long
            as the firmware bears that.
        checks: Only these; None: all. See `mqttwin.testing.conformance_checks.CHECKS`.
        seed: Of every world.
        **parameters: Of the device, as in ``world.add``.

    Returns:
        Verdicts with reasons; ``print(report)`` shows them, `Report.ok` sums them up.

    Raises:
        ConfigError: An argument that cannot be.
    """
    from .conformance_checks import CHECKS

    chosen = list(CHECKS) if checks is None else list(checks)
    for name in chosen:
        if name not in CHECKS:
            raise ConfigError(f"{name!r} is none of {', '.join(CHECKS)}", key="checks")
    periods = {f: units.duration(p, "rate", zero=False) for f, p in (rate or {}).items()}
    payloads = {f: _payload(one) for f, one in (commands or {}).items()}
    suite = Suite(device_class, periods, limits_of(cloud), link, seed, parameters, payloads)
    found = []
    for name in chosen:
        title, run = CHECKS[name]
        found.append(_judged(name, title, run, suite))
    return Report(device_class.__name__, found, seed)


def _payload(command: object) -> bytes:
    if isinstance(command, str):
        return command.encode()
    if not isinstance(command, bytes):
        raise ConfigError(f"{command!r} is neither bytes nor text", key="commands")
    return command


def _judged(name: str, title: str, run: Any, suite: Suite) -> Check:
    rigs: list[Rig] = []
    try:
        reason = run(suite.bound(rigs))
        return Check(name, title, "pass", reason)
    except Skipped as skipped:
        return Check(name, title, "skip", str(skipped))
    except Failure as failure:
        return Check(name, title, "fail", str(failure), _ladder(rigs))
    except ConfigError:
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        return Check(name, title, "fail", f"the firmware failed: {what}", _ladder(rigs))
    finally:
        for rig in rigs:
            rig.close()


def _ladder(rigs: list[Rig]) -> str:
    return rigs[-1].world.exchange().ladder(last=40) if rigs else ""
