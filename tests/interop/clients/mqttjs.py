"""MQTT.js: one process of Node.js, with which one speaks in lines of JSON."""

from __future__ import annotations

import atexit
import base64
import functools
import itertools
import json
import os
import queue
import shutil
import subprocess
import sysconfig
import threading
from pathlib import Path
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

ROOT = Path(__file__).resolve().parents[3]
_DRIVER = Path(__file__).resolve().parents[1] / "mqttjs" / "driver.js"
_MODULES = ROOT / "build" / "interop" / "node_modules"  # where ./dev puts them
_NAMES = {
    "payload_format_indicator": "payloadFormatIndicator",
    "message_expiry_interval": "messageExpiryInterval",
    "content_type": "contentType",
    "response_topic": "responseTopic",
    "will_delay_interval": "willDelayInterval",
}


class MqttJs(Library):
    name = "mqttjs"
    title = "MQTT.js (Node.js)"
    cannot: ClassVar = {
        "read aliases with QoS 2": "it forgets what the alias stands for before PUBREL comes",
    }

    def missing(self) -> str | None:
        if _node() is None:
            return "Node.js"
        return None if (_MODULES / "mqtt").is_dir() else "MQTT.js in build/interop/node_modules"

    def connect(self, host: str, port: int, how: Connect) -> Client:
        return MqttJsClient(host, port, how)


def _node() -> str | None:
    # The one that comes as a Python package is there where the system's would not do.
    return shutil.which("node", path=sysconfig.get_path("scripts")) or shutil.which("node")


class Driver:
    """The process: takes commands, gives answers and messages."""

    def __init__(self) -> None:
        node = _node()
        assert node is not None
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._clients: dict[int, MqttJsClient] = {}
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [node, str(_DRIVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "NODE_PATH": str(_MODULES)},
        )
        self._reader = threading.Thread(target=self._read, name="MQTT.js", daemon=True)
        self._reader.start()

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(DEADLINE)
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def call(self, command: str, client: int, **arguments: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._answers[number] = queue.SimpleQueue()
        line = json.dumps({"call": command, "number": number, "client": client, **arguments})
        assert self._process.stdin is not None
        with self._lock:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        try:
            return answer.get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(f"MQTT.js: no answer to {command}") from None
        finally:
            del self._answers[number]

    def register(self, client: MqttJsClient) -> int:
        number = next(self._numbers)
        self._clients[number] = client
        return number

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "message" in said:
                self._clients[said["client"]].received(said["message"])
            elif said["number"] in self._answers:
                self._answers[said["number"]].put(said)


@functools.cache
def _driver() -> Driver:
    driver = Driver()
    atexit.register(driver.stop)
    return driver


def _to_js(properties: Properties) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in properties.items():
        if name == "user_properties":
            grouped: dict[str, list[str]] = {}
            for key, text in value:
                grouped.setdefault(key, []).append(text)
            result["userProperties"] = grouped
        elif name == "correlation_data":
            result["correlationData"] = base64.b64encode(value).decode()
        elif name == "payload_format_indicator":
            result["payloadFormatIndicator"] = bool(value)
        else:
            result[_NAMES[name]] = value
    return result


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _from_js(properties: dict[str, Any]) -> dict[str, Any]:
    back = {theirs: ours for ours, theirs in _NAMES.items()}
    result: dict[str, Any] = {}
    for name, value in properties.items():
        if name == "userProperties":
            result["user_properties"] = [(k, v) for k, vs in value.items() for v in _list(vs)]
        elif name == "subscriptionIdentifier":
            result["subscription_identifiers"] = _list(value)
        elif name == "correlationData":
            result["correlation_data"] = base64.b64decode(value)
        elif name == "payloadFormatIndicator":
            result["payload_format_indicator"] = int(value)
        else:
            result[back.get(name, name)] = value
    return result


def _message(message: Message) -> dict[str, Any]:
    return {
        "topic": message.topic,
        "payload": base64.b64encode(message.payload).decode(),
        "qos": message.qos,
        "retain": message.retain,
        "properties": _to_js(message.properties),
    }


class MqttJsClient(Client):
    def __init__(self, host: str, port: int, how: Connect) -> None:
        super().__init__(how)
        self._number = _driver().register(self)
        said = self._call(
            "connect",
            host=host,
            port=port,
            clientId=how.client_id,
            version=how.version,
            clean=how.clean,
            sessionExpiry=0 if how.clean else SESSION_EXPIRY,
            keepAlive=how.keep_alive,
            aliases=how.aliases,
            user=how.user,
            password=how.password,
            will=None if how.will is None else _message(how.will),
        )
        self.session_present = said["sessionPresent"]

    def _call(self, command: str, **arguments: Any) -> dict[str, Any]:
        said = _driver().call(command, self._number, **arguments)
        if "refused" in said:
            raise RefusedError(said["refused"])
        assert "error" not in said, f"MQTT.js says: {said['error']}"
        return said

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
        said = self._call(
            "subscribe",
            filter=topic_filter,
            qos=qos,
            identifier=identifier,
            noLocal=no_local,
            retainAsPublished=retain_as_published,
            retainHandling=retain_handling,
        )
        return int(said["granted"])

    def unsubscribe(self, topic_filter: str) -> None:
        self._call("unsubscribe", filter=topic_filter)

    def publish(self, message: Message) -> None:
        self._call("publish", message=_message(message))

    def disconnect(self) -> None:
        self._call("disconnect")

    def close(self) -> None:
        self._call("close")

    def received(self, message: dict[str, Any]) -> None:
        self._inbox.put(
            Message(
                message["topic"],
                base64.b64decode(message["payload"]),
                message["qos"],
                message["retain"],
                _from_js(message["properties"]),
                message["dup"],
            )
        )
