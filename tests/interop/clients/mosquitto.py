"""mosquitto_sub and mosquitto_pub: a process for what is received, and one for each message."""

from __future__ import annotations

import json
import queue
import re
import shutil
import subprocess
import threading
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

_TAB = "\t"
# The payload in hexadecimal, because JSON cannot hold it; then everything else as JSON.
_FORMAT = f"{_TAB}%x{_TAB}%j"
# What -d says of CONNACK and SUBACK, with their (last) reason code.
_ANSWER = re.compile(r"received CONNACK \((\d+)\)|^Subscribed \(mid: \d+\):.*?(\d+)$")
_VERSIONS = {3: "mqttv31", 4: "mqttv311", 5: "mqttv5"}


class Mosquitto(Library):
    name = "mosquitto"
    title = "mosquitto_sub, mosquitto_pub"
    cannot: ClassVar = {
        "session present": "mosquitto_sub does not print the flag",
        "unsubscribe": "mosquitto_sub unsubscribes only while it connects",
        "subscribe twice": "all subscriptions of mosquitto_sub have the same options",
        "goodbye 5.0": "mosquitto_sub says DISCONNECT with 0x04, which asks for the will",
        "read aliases": "mosquitto_sub does not allow the broker any",
        "write aliases": "mosquitto_pub is a process for each message",
        "short keep alive": "mosquitto_sub takes 5 seconds or more",
        "own messages": "what one connection subscribes and what it publishes are two processes",
        "retain handling": "mosquitto_sub 2.0.11 has no option for it",
    }

    def missing(self) -> str | None:
        tools = ("mosquitto_sub", "mosquitto_pub", "stdbuf")
        without = [tool for tool in tools if shutil.which(tool) is None]
        return ", ".join(without) if without else None

    def connect(self, host: str, port: int, how: Connect) -> Client:
        return MosquittoClient(host, port, how)


def _options(properties: Properties, packet: str) -> list[str]:
    result: list[str] = []
    for name, value in properties.items():
        if name == "user_properties":
            for pair in value:
                result += ["-D", packet, "user-property", *pair]
        elif name == "correlation_data":
            result += ["-D", packet, "correlation-data", value.decode()]
        else:
            result += ["-D", packet, name.replace("_", "-"), str(value)]
    return result


def _properties(said: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in said.items():
        if name == "user-properties":
            result["user_properties"] = list(value.items())
        elif name == "correlation-data":
            result["correlation_data"] = value.encode()
        elif name == "subscription-identifier":
            result["subscription_identifiers"] = value if isinstance(value, list) else [value]
        else:
            result[name.replace("-", "_")] = value
    return result


class MosquittoClient(Client):
    """Connects when it knows what to subscribe to, for that is how mosquitto_sub works."""

    def __init__(self, host: str, port: int, how: Connect) -> None:
        super().__init__(how)
        self._where = ["-h", host, "-p", str(port), "-V", _VERSIONS[how.version]]
        if how.user is not None:
            self._where += ["-u", how.user, "-P", how.password or ""]
        self._filters: list[str] = []
        self._sub: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        if how.will is not None or how.user is not None:
            self._start()

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
        self._stop()
        self._filters += ["-t", topic_filter]
        options = ["-q", str(qos)]
        if identifier is not None:
            options += ["-D", "subscribe", "subscription-identifier", str(identifier)]
        if retain_as_published:
            options += ["--retain-as-published"]
        if retain_handling:
            options += ["--retain-handling", ("always", "new", "never")[retain_handling]]
        return self._start(*options)

    def _start(self, *options: str) -> int:
        how = self._how
        command = ["stdbuf", "-oL", "mosquitto_sub", *self._where, "-d", "--nodelay", "-F", _FORMAT]
        command += ["-i", how.client_id, "-k", str(how.keep_alive)]
        command += self._filters or ["-t", f"nothing/{how.client_id}"]
        if not how.clean:
            command += ["-c"]
            if self._five:
                command += ["-x", str(SESSION_EXPIRY)]
        if how.will is not None:
            will = how.will
            command += ["--will-topic", will.topic, "--will-payload", will.payload.decode()]
            command += ["--will-qos", str(will.qos)] + ["--will-retain"] * will.retain
            command += _options(will.properties, "will")
        self._sub = subprocess.Popen(
            [*command, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        codes: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(self._sub, codes), daemon=True)
        self._reader.start()
        try:
            code = codes.get(timeout=DEADLINE)  # CONNACK's
            if code:
                self._stop()
                raise RefusedError(code)
            return codes.get(timeout=DEADLINE)  # SUBACK's
        except queue.Empty:
            self._stop()
            raise AssertionError("mosquitto_sub: no answer") from None

    def _read(self, process: subprocess.Popen[str], codes: queue.SimpleQueue[int]) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                if line.startswith(_TAB):
                    self._message(line)
                elif found := _ANSWER.search(line):
                    codes.put(int(found[1] or found[2]))

    def _message(self, line: str) -> None:
        _, payload, more = line.split(_TAB, 2)
        said = json.loads(more)
        self._inbox.put(
            Message(
                said["topic"],
                bytes.fromhex(payload),
                said["qos"],
                bool(said["retain"]),
                _properties(said.get("properties", {})),
            )
        )

    def receive(self) -> Message:
        if self._sub is None:
            self._start()  # a resumed session, in which nothing is subscribed anew
        return super().receive()

    def unsubscribe(self, topic_filter: str) -> None:
        raise NotImplementedError

    def publish(self, message: Message) -> None:
        command = ["mosquitto_pub", *self._where, "--nodelay", "-t", message.topic]
        command += ["-q", str(message.qos)] + ["-r"] * message.retain
        command += ["-s"] if message.payload else ["-n"]
        if self._five:
            command += _options(message.properties, "publish")
        subprocess.run(command, input=message.payload, timeout=DEADLINE, check=True)

    def disconnect(self) -> None:
        self._stop()

    def _stop(self) -> None:
        """SIGTERM makes it say DISCONNECT."""
        process, self._sub = self._sub, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert self._reader is not None
        self._reader.join()

    def close(self) -> None:
        self._stop()
