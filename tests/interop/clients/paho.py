"""Eclipse paho-mqtt: callbacks from a thread of its own."""

from __future__ import annotations

import contextlib
import importlib.util
import queue
import threading
from typing import Any, ClassVar

from ..stage import DEADLINE, Client, Connect, Library, Message, RefusedError


class Paho(Library):
    name = "paho"
    title = "paho-mqtt (Python)"
    cannot: ClassVar = {
        "read aliases": "it hands on an empty topic, instead of what the alias stands for",
    }

    def missing(self) -> str | None:
        return None if importlib.util.find_spec("paho") else "the Python package paho-mqtt"

    def connect(self, host: str, port: int, how: Connect) -> Client:
        return PahoClient(host, port, how)


class PahoClient(Client):
    def __init__(self, host: str, port: int, how: Connect) -> None:
        from paho.mqtt import client as paho
        from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

        from . import paho_properties

        super().__init__(how)
        self._words = paho_properties
        self._answers: dict[int, Any] = {}
        self._answered = threading.Condition()
        self._connack: queue.SimpleQueue[tuple[int, bool]] = queue.SimpleQueue()
        self._paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=how.client_id,
            clean_session=None if self._five else how.clean,
            protocol=MQTTProtocolVersion(how.version),
            reconnect_on_failure=False,
        )
        self._paho.on_connect = self._on_connect
        self._paho.on_message = self._on_message
        self._paho.on_subscribe = self._on_answer
        self._paho.on_unsubscribe = self._on_answer
        if how.user is not None:
            self._paho.username_pw_set(how.user, how.password)
        if how.will is not None:
            will = how.will
            properties = paho_properties.of_will(how)
            self._paho.will_set(will.topic, will.payload, will.qos, will.retain, properties)
        self._paho.connect(
            host,
            port,
            how.keep_alive,
            clean_start=how.clean if self._five else paho.MQTT_CLEAN_START_FIRST_ONLY,
            properties=paho_properties.of_connect(how),
        )
        self._paho.loop_start()
        try:
            code, self.session_present = self._connack.get(timeout=DEADLINE)
        except queue.Empty:
            self.close()
            raise AssertionError("no CONNACK") from None
        if code:
            self.close()
            raise RefusedError(code)

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
            return int(self._answer(self._paho.subscribe(topic_filter, qos))[0].value)
        options = SubscribeOptions(qos, no_local, retain_as_published, retain_handling)
        more = {} if identifier is None else {"subscription_identifier": identifier}
        properties = self._words.to_paho(more, PacketTypes.SUBSCRIBE)
        call = self._paho.subscribe(topic_filter, options=options, properties=properties)
        return int(self._answer(call)[0].value)

    def unsubscribe(self, topic_filter: str) -> None:
        self._answer(self._paho.unsubscribe(topic_filter))

    def publish(self, message: Message) -> None:
        message = self._with_alias(message)
        properties = self._words.to_paho(message.properties) if self._five else None
        info = self._paho.publish(
            message.topic, message.payload, message.qos, message.retain, properties
        )
        info.wait_for_publish(DEADLINE)
        assert info.is_published(), "no acknowledgement"

    def disconnect(self) -> None:
        self._paho.disconnect()
        self._paho.loop_stop()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.disconnect()

    def _answer(self, call: tuple[int, int | None]) -> Any:
        error, number = call
        assert error == 0, f"paho says {error}"
        assert number is not None
        with self._answered:
            assert self._answered.wait_for(lambda: number in self._answers, DEADLINE), "no answer"
            return self._answers.pop(number)

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: Any, more: Any) -> None:
        # For MQTT 3.1.1, paho translates return codes into reason codes.
        self._connack.put((reason.value, bool(flags.session_present)))

    def _on_answer(self, client: Any, data: Any, number: int, reasons: Any, more: Any) -> None:
        with self._answered:
            self._answers[number] = reasons
            self._answered.notify_all()

    def _on_message(self, client: Any, data: Any, message: Any) -> None:
        self._inbox.put(
            Message(
                message.topic,
                message.payload,
                message.qos,
                message.retain,
                self._words.from_paho(getattr(message, "properties", None)),
                message.dup,
            )
        )
