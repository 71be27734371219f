"""The client under test as applications have it: `mqttwin.Client`, connected to a socket."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
import time
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack
from typing import Any

import mqttwin as mt

from .client_engine import note_of, take_properties
from .conversation import Line
from .lines import DEADLINE, TcpLine
from .packets import Packet

# CONNECT's names, and those of the constructor where they differ.
_OPTIONS = {
    "session_expiry_interval": "session_expiry",
    "user_name": "username",
    "request_problem_information": "problem_information",
    "request_response_information": "response_information",
}
CONTINUE = 0x18


def client_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of CONNECT as arguments of `mqttwin.Client`, but for enhanced authentication."""
    out = {_OPTIONS.get(name, name): value for name, value in options.items()}
    out = {name: value for name, value in out.items() if not name.startswith("authentication")}
    if "user_property" in out:
        out["properties"] = {"user_properties": out.pop("user_property")}
    for name in ("problem_information", "response_information"):
        if name in out:
            out[name] = bool(out[name])
    if "will" in out:
        will = dict(out["will"])
        more = take_properties(will)
        delay = more.pop("will_delay_interval", 0)
        out |= {"will": mt.Message(**will, delay=delay), "will_properties": more}
    return out


def command_arguments(command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The same for the arguments of a command."""
    more = take_properties(arguments)
    if "filters" in arguments:
        filters = arguments.pop("filters")
        arguments["topic_filter"] = list(filters)
        if command == "subscribe":
            arguments["topic_filter"] = [name for name, _ in filters]
            options = {flags for _, flags in filters} or {0}
            assert len(options) == 1, "Client.subscribe has one set of options for all its filters"
            flags = options.pop()
            arguments |= {"qos": flags & 3, "no_local": bool(flags & 4)}
            arguments |= {"retain_as_published": bool(flags & 8), "retain_handling": flags >> 4}
            arguments["identifier"] = more.pop("subscription_identifier", None)
    if "reason" in arguments:
        arguments["reason_code"] = arguments.pop("reason")
    if command != "reauthenticate":
        return {**arguments, "properties": more}
    assert not more, "Client.reauthenticate takes no properties"
    return arguments


class TcpClient:
    """A client with a loop and a thread of its own; the test is its server and its application."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._notes: queue.SimpleQueue[tuple[float, Packet]] = queue.SimpleQueue()
        self._client: mt.Client | None = None  # while it has not been made, or would not be
        self._loop = asyncio.new_event_loop()
        self._stack.callback(self._loop.close)
        self._connection: asyncio.Task[None] | None = None
        self._entered = asyncio.Event()  # the connection is there, or will not be
        self._commands: set[asyncio.Task[None]] = set()
        self.beginning = b""  # what the next authentication begins with
        self.answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.again = False  # it is not that of CONNECT

    def start(self, options: dict[str, Any], level: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stack.callback(self._listener.close)
        arguments = client_arguments(options) | {"version": level}
        if method := options.get("authentication_method"):
            self.beginning = options["authentication_data"]
            arguments["auth"] = lambda: Questions(self, method)
        port = self._listener.getsockname()[1]
        try:
            self._client = mt.Client("127.0.0.1", port, **arguments)
        except (mt.MqttwinError, ValueError) as error:
            self.note("REFUSED", why=str(error))
            return
        thread = threading.Thread(target=self._loop.run_forever, name="client under test")
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(self._loop.call_soon_threadsafe, self._loop.stop)
        self._stack.callback(lambda: self._perform(self._stop()))
        self._stack.callback(self.answers.put, b"")  # whoever waits for one
        self._stack.callback(self._listener.close)  # before the client: it is not left waiting
        self.do("connect")

    def accept(self, name: str, within: float) -> Line | None:
        if self._client is None:
            return None  # there is nobody who could
        self._listener.settimeout(within)
        try:
            link, _ = self._listener.accept()
        except TimeoutError:
            return None
        return self._stack.enter_context(TcpLine(link))

    def open(self, name: str) -> Line:
        return Notes(self._notes)

    def do(self, command: str, **arguments: Any) -> None:
        """Returns when the client has said it, or has refused to."""
        if command == "authenticate":
            self.answers.put(arguments.pop("data"))
            assert not arguments, "an authenticator gives data and nothing else"
        elif command == "connect":
            self._perform(self._connect_again())
        else:
            if command == "reauthenticate":
                self.again, self.beginning = True, arguments.pop("data")
            self._perform(self._say(command, command_arguments(command, arguments)))

    def note(self, kind: str, **fields: Any) -> None:
        """The application hears that."""
        self._notes.put((self.now(), Packet(kind, fields)))

    def now(self) -> float:
        return time.monotonic()

    def elapse(self, time: float) -> None:
        raise AssertionError(f"{time:g} s on the wall clock: mark the test `timed`")

    def close(self) -> None:
        self._stack.close()

    # --- on the loop ------------------------------------------------------------------------------

    def _perform(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(DEADLINE)

    async def _connect_again(self) -> None:
        if self._connection is not None:
            await self._connection  # it may not have noticed yet that it is over
        self._entered.clear()
        self._connection = self._loop.create_task(self._connect())

    async def _say(self, command: str, arguments: dict[str, Any]) -> None:
        await self._entered.wait()
        said = asyncio.Event()
        task = self._loop.create_task(self._command(command, arguments, said))
        self._commands.add(task)
        task.add_done_callback(self._commands.discard)
        await said.wait()

    async def _connect(self) -> None:
        assert self._client is not None
        self.again = False
        try:
            async with self._client as client:
                self.note("ONLINE", session_present=client.session_present)
                self._entered.set()
                async for message in client.messages:
                    self._notes.put((self.now(), note_of("message", vars(message))))
        except mt.MqttwinError as error:
            self.note("OFFLINE", reason=getattr(error, "reason_code", None), cause=str(error))
        else:
            self.note("OFFLINE", reason=0, cause="by_command")
        finally:
            self._entered.set()

    async def _command(self, command: str, arguments: dict[str, Any], said: asyncio.Event) -> None:
        self._loop.call_soon(said.set)  # a command that is refused does not get so far
        qos = arguments.get("qos", 0)
        try:
            answer = await getattr(self._client, command)(**arguments)
        except mt.PublishError as error:
            self._answered(said, error, "ACKNOWLEDGED", reason=error.reason_code, qos=qos)
        except mt.SubscribeError as error:
            self._answered(said, error, f"{command.upper()}D", reasons=error.reason_codes)
        except (mt.MqttwinError, ValueError) as error:
            if not said.is_set():
                self.note("REFUSED", why=str(error))
        else:
            if command in ("subscribe", "unsubscribe"):
                self.note(f"{command.upper()}D", reasons=answer)
            elif qos > 0:
                self.note("ACKNOWLEDGED", reason=answer, qos=qos)
        finally:
            said.set()

    def _answered(
        self, said: asyncio.Event, error: mt.MqttwinError, kind: str, **fields: Any
    ) -> None:
        """By the server, or by the client itself, to which it has not been said then."""
        if said.is_set():
            self.note(kind, **fields)
        else:
            self.note("REFUSED", why=str(error))

    async def _stop(self) -> None:
        tasks = [*self._commands, *filter(None, [self._connection])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Questions:
    """An authenticator that asks the test what to say; its client waits meanwhile."""

    def __init__(self, client: TcpClient, method: str) -> None:
        self._client = client
        self.method = method

    def first(self) -> bytes:
        return self._client.beginning

    def next(self, data: bytes) -> bytes:
        self._client.note("AUTHENTICATE", reason=CONTINUE, authentication_data=data)
        return self._client.answers.get(timeout=DEADLINE)

    def finish(self, data: bytes) -> None:
        if self._client.again:  # CONNACK says so itself
            self._client.note("AUTHENTICATE", reason=0, authentication_data=data)


class Notes:
    """What the application hears."""

    def __init__(self, notes: queue.SimpleQueue[tuple[float, Packet]]) -> None:
        self._notes = notes

    def send(self, raw: bytes) -> None:
        raise AssertionError("an application gives commands")

    def next(self, within: float) -> tuple[float, bytes | str | Packet] | None:
        try:
            return self._notes.get(timeout=within)
        except queue.Empty:
            return None

    def close(self, *, abort: bool = False) -> None:
        pass
