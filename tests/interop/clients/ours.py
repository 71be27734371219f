"""mqttwin.Client, over the engine that simulated devices have."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import mqttwin as mt

from ..stage import SESSION_EXPIRY, Client, Connect, Library, Message, RefusedError
from .loop import run


class Ours(Library):
    name = "mqttwin"
    title = "mqttwin.Client"

    def missing(self) -> str | None:
        return None

    def connect(self, host: str, port: int, how: Connect) -> Client:
        return OurClient(host, port, how)


class OurClient(Client):
    def __init__(self, host: str, port: int, how: Connect) -> None:
        super().__init__(how)
        self._client: Any = None
        self._reader: asyncio.Task[None] | None = None
        run(self._connect(host, port, how))

    async def _connect(self, host: str, port: int, how: Connect) -> None:
        will, more = None, {}
        if how.will is not None:
            will = mt.Message(how.will.topic, how.will.payload, how.will.qos, how.will.retain)
            more = dict(how.will.properties) if self._five else {}
        client = mt.Client(
            host,
            port,
            client_id=how.client_id,
            version=how.version,
            clean_start=how.clean,
            session_expiry=0 if how.clean else SESSION_EXPIRY,
            keep_alive=how.keep_alive,
            username=how.user,
            password=how.password,
            will=will,
            will_properties=more,
            topic_alias_maximum=8 if how.aliases else 0,
            outbound_topic_aliases=8 if how.aliases else 0,
        )
        try:
            await client.__aenter__()
        except mt.ConnectError as error:
            if error.reason_code is None:
                raise
            raise RefusedError(error.reason_code) from error
        self._client = client
        self.session_present = client.session_present
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(mt.DisconnectedError):
            async for message in self._client.messages:
                self._inbox.put(
                    Message(
                        message.topic,
                        message.payload,
                        message.qos,
                        message.retain,
                        message.properties,
                        message.duplicate,
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
        granted = run(
            self._client.subscribe(
                topic_filter,
                qos,
                no_local=no_local,
                retain_as_published=retain_as_published,
                retain_handling=retain_handling,
                identifier=identifier,
            )
        )
        return int(granted[0])

    def unsubscribe(self, topic_filter: str) -> None:
        run(self._client.unsubscribe(topic_filter))

    def publish(self, message: Message) -> None:
        run(
            self._client.publish(
                message.topic,
                message.payload,
                message.qos,
                message.retain,
                properties=message.properties if self._five else None,
            )
        )

    def disconnect(self) -> None:
        run(self._disconnect())

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.__aexit__(None, None, None)
            assert self._reader is not None
            await self._reader

    def close(self) -> None:
        self.disconnect()
