"""aiomqtt: asyncio on top of paho-mqtt."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
from typing import Any, ClassVar

from ..stage import Client, Connect, Library, Message, RefusedError
from .loop import run


class Aiomqtt(Library):
    name = "aiomqtt"
    title = "aiomqtt (Python)"
    cannot: ClassVar = {
        "session present": "it does not tell its user whether the session was there",
        "read aliases": "paho-mqtt hands on an empty topic, instead of what the alias stands for",
    }

    def missing(self) -> str | None:
        return None if importlib.util.find_spec("aiomqtt") else "the Python package aiomqtt"

    def connect(self, host: str, port: int, how: Connect) -> Client:
        return AiomqttClient(host, port, how)


class AiomqttClient(Client):
    def __init__(self, host: str, port: int, how: Connect) -> None:
        from . import paho_properties

        super().__init__(how)
        self._words = paho_properties
        self._client: Any = None
        self._reader: asyncio.Task[None] | None = None
        run(self._connect(host, port, how))

    async def _connect(self, host: str, port: int, how: Connect) -> None:
        import aiomqtt

        will = None
        if how.will is not None:
            properties = self._words.of_will(how)
            will = aiomqtt.Will(
                how.will.topic, how.will.payload, how.will.qos, how.will.retain, properties
            )
        only_five: dict[str, Any] = {
            "clean_start": how.clean,
            "properties": self._words.of_connect(how),
        }
        client = aiomqtt.Client(
            host,
            port,
            identifier=how.client_id,
            protocol=aiomqtt.ProtocolVersion(how.version),
            username=how.user,
            password=how.password,
            keepalive=how.keep_alive,
            will=will,
            **(only_five if self._five else {"clean_session": how.clean}),
        )
        try:
            await client.__aenter__()
        except aiomqtt.MqttCodeError as error:
            code: Any = error.rc
            raise RefusedError(getattr(code, "value", code)) from error
        self._client = client
        self._reader = asyncio.ensure_future(self._read(aiomqtt.MqttError))

    async def _read(self, gone: type[Exception]) -> None:
        with contextlib.suppress(gone):
            async for message in self._client.messages:
                self._inbox.put(
                    Message(
                        str(message.topic),
                        message.payload,
                        message.qos,
                        message.retain,
                        self._words.from_paho(message.properties),
                    )
                )

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
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.subscribeoptions import SubscribeOptions

        if not self._five:
            granted = run(self._client.subscribe(topic_filter, qos))
        else:
            more = {} if identifier is None else {"subscription_identifier": identifier}
            granted = run(
                self._client.subscribe(
                    topic_filter,
                    options=SubscribeOptions(qos, no_local, retain_as_published, retain_handling),
                    properties=self._words.to_paho(more, PacketTypes.SUBSCRIBE),
                )
            )
        return int(getattr(granted[0], "value", granted[0]))

    def unsubscribe(self, topic_filter: str) -> None:
        run(self._client.unsubscribe(topic_filter))

    def publish(self, message: Message) -> None:
        message = self._with_alias(message)
        properties = self._words.to_paho(message.properties) if self._five else None
        run(
            self._client.publish(
                message.topic, message.payload, message.qos, message.retain, properties
            )
        )

    def disconnect(self) -> None:
        run(self._disconnect())

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            await client.__aexit__(None, None, None)
        finally:
            assert self._reader is not None
            self._reader.cancel()
            await asyncio.wait([self._reader])

    def close(self) -> None:
        with contextlib.suppress(Exception):  # whatever a broken connection means to it
            self.disconnect()
