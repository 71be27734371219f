"""gmqtt: an asyncio client with a codec of its own."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from typing import Any, ClassVar

from ..stage import (
    DEADLINE,
    SESSION_EXPIRY,
    Client,
    Connect,
    Library,
    Message,
    Properties,
    RefusedError,
)
from .loop import run

_NAMES = {
    "payload_format_indicator": "payload_format_id",
    "user_properties": "user_property",
}


class Gmqtt(Library):
    name = "gmqtt"
    title = "gmqtt (Python)"
    cannot: ClassVar = {"MQTT 3.1": "it does not speak it"}

    def missing(self) -> str | None:
        return None if importlib.util.find_spec("gmqtt") else "the Python package gmqtt"

    def connect(self, host: str, port: int, how: Connect) -> Client:
        return GmqttClient(host, port, how)


def _to_gmqtt(properties: Properties) -> dict[str, Any]:
    return {_NAMES.get(name, name): value for name, value in properties.items()}


def _from_gmqtt(properties: dict[str, Any]) -> dict[str, Any]:
    back = {theirs: ours for ours, theirs in _NAMES.items()}
    result: dict[str, Any] = {}
    for name, value in properties.items():
        if name in ("dup", "retain"):
            continue
        if name == "subscription_identifier":
            result["subscription_identifiers"] = value
        elif name == "user_property":
            result["user_properties"] = value
        else:
            result[back.get(name, name)] = value[0]
    return result


class GmqttClient(Client):
    def __init__(self, host: str, port: int, how: Connect) -> None:
        super().__init__(how)
        self._client: Any = None
        self._answers: dict[int, asyncio.Future[Any]] = {}
        run(self._connect(host, port, how))

    async def _connect(self, host: str, port: int, how: Connect) -> None:
        import gmqtt

        will = None
        if how.will is not None:
            will = gmqtt.Message(
                how.will.topic,
                how.will.payload,
                how.will.qos,
                how.will.retain,
                **_to_gmqtt(how.will.properties),
            )
        more: dict[str, Any] = {}
        if self._five and not how.clean:
            more["session_expiry_interval"] = SESSION_EXPIRY
        if self._five and how.aliases:
            more["topic_alias_maximum"] = 8
        client = self._client = gmqtt.Client(
            how.client_id, clean_session=how.clean, will_message=will, **more
        )
        client.set_config({"reconnect_retries": -2})  # 0 is one attempt, -1 without end
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_subscribe = self._on_answer
        client.on_unsubscribe = self._on_answer
        if how.user is not None:
            client.set_auth_credentials(how.user, how.password)
        try:
            await client.connect(
                host, port, keepalive=how.keep_alive, version=how.version, raise_exc=True
            )
        except gmqtt.mqtt.handler.MQTTConnectError as error:
            raise RefusedError(error._code) from error

    def subscribe(
        self,
        topic_filter: str,
        qos: int = 0,
        *,
        identifier: int | None = None,
        no_local: bool = False,
        retain_as_published: bool = False,
        retain_handling: int = 0,
    ) -> int:
        more = {} if identifier is None else {"subscription_identifier": identifier}
        granted = run(
            self._ask(
                lambda: self._client.subscribe(
                    topic_filter,
                    qos,
                    no_local=no_local,
                    retain_as_published=retain_as_published,
                    retain_handling_options=retain_handling,
                    **more,
                )
            )
        )
        return int(granted[0])

    def unsubscribe(self, topic_filter: str) -> None:
        run(self._ask(lambda: self._client.unsubscribe(topic_filter)))

    async def _ask(self, send: Any) -> Any:
        # Its answer cannot come before this coroutine waits.
        number = send()
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        return await asyncio.wait_for(answer, DEADLINE)

    def publish(self, message: Message) -> None:
        message = self._with_alias(message)
        run(self._publish(message))

    async def _publish(self, message: Message) -> None:
        self._client.publish(
            message.topic,
            message.payload,
            qos=message.qos,
            retain=message.retain,
            **(_to_gmqtt(message.properties) if self._five else {}),
        )
        # The only way to learn that a message is acknowledged.
        await self._client._persistent_storage.wait_empty()

    def disconnect(self) -> None:
        run(self._client.disconnect())

    def close(self) -> None:
        with contextlib.suppress(Exception):  # whatever a broken connection means to it
            self.disconnect()

    def _on_connect(self, client: Any, flags: int, reason: int, properties: Any) -> None:
        self.session_present = bool(flags & 1)

    def _on_answer(self, client: Any, number: int, reasons: Any, *properties: Any) -> None:
        self._answers.pop(number).set_result(reasons)

    def _on_message(
        self, client: Any, topic: str, payload: bytes, qos: int, properties: dict[str, Any]
    ) -> int:
        retain, dup = bool(properties.get("retain")), bool(properties.get("dup"))
        self._inbox.put(Message(topic, bytes(payload), qos, retain, _from_gmqtt(properties), dup))
        return 0
