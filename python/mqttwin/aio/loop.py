"""An asyncio event loop on virtual time, over simulated sockets.

Transports, streams and their flow control are asyncio's own; what is below them is ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from asyncio import base_events, events, selector_events
from collections.abc import Callable, Coroutine
from typing import Any

from .. import units
from . import names, tls
from .errors import EscapeError
from .hosts import Host
from .scheduler import Activity
from .selecting import LoopSelector
from .sockets import VirtualSocket


class VirtualLoop(selector_events.BaseSelectorEventLoop):
    """The event loop of a host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        super().__init__(LoopSelector(host))
        self._clock_resolution = 1e-9
        self._stepper: _Stepper | None = None

    # --- time and waking ------------------------------------------------------------------------

    def time(self) -> float:
        """Virtual time, in seconds since the start of the world."""
        return self.host.scheduler.core.now / units.SECOND

    def _make_self_pipe(self) -> None:
        pass

    def _close_self_pipe(self) -> None:
        pass

    def _write_to_self(self) -> None:
        selector: LoopSelector | None = self._selector  # type: ignore[attr-defined]
        if selector is not None and selector.waiter is not None:
            selector.waiter.wake()
        if self._stepper is not None:
            self._stepper.wake()

    # --- running --------------------------------------------------------------------------------

    def run_forever(self) -> None:
        """Runs the loop, and the world with it where nobody else does."""
        scheduler = self.host.scheduler
        if scheduler.current is not None:
            scheduler.here()
            super().run_forever()
            return
        scheduler.enter(self.host)
        try:
            super().run_forever()
        finally:
            scheduler.leave()

    def _start_stepped(self, main: Coroutine[Any, Any, object]) -> None:
        """From now on the loop makes its steps between two events of the world."""
        if self._stepper is None:
            self._stepper = _Stepper(self)
        self._stepper.start(main)

    def _stop_stepped(self) -> None:
        """The end of a scope: what still runs is cancelled, and gets one more step."""
        tasks = () if self.is_closed() else asyncio.all_tasks(self)
        for task in tasks:
            # It may wait for an answer that no longer comes; it is known, and no mistake.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        if self._stepper is None:
            return
        for task in tasks:
            task.cancel()
        with contextlib.suppress(Exception):
            self._stepper.resume()
        self._stepper.waits += 1  # its timers are nobody's
        self._stepper = None
        if not self.is_closed():
            self.close()

    # --- names and sockets ----------------------------------------------------------------------

    async def getaddrinfo(  # type: ignore[override]
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[names.Info]:
        """Asks over the host's link, if somebody has to be asked."""
        address = names.numeric(self.host, host)
        if address is None:
            answer: asyncio.Future[str] = self.create_future()

            def done(value: str | Exception) -> None:
                if answer.done():
                    return
                if isinstance(value, Exception):
                    self.call_soon_threadsafe(_fail, answer, value)
                else:
                    self.call_soon_threadsafe(_succeed, answer, value)

            names.ask(self.host, host.decode() if isinstance(host, bytes) else host, done)
            address = await answer
        return names.infos(address, port, family, type, proto)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """The numbers themselves."""
        return str(sockaddr[0]), str(sockaddr[1])

    async def _connect_sock(
        self, exceptions: list[Any], addr_info: Any, local_addr_infos: Any = None
    ) -> Any:
        mine: list[OSError] = []
        exceptions.append(mine)
        sock = VirtualSocket(addr_info[0], addr_info[1], addr_info[2], host=self.host)
        try:
            sock.setblocking(False)
            if local_addr_infos:
                sock.bind(local_addr_infos[0][4])
            await self.sock_connect(sock, addr_info[4])  # type: ignore[arg-type]
        except OSError as error:
            mine.append(error)
            sock.close()
            raise
        except BaseException:
            sock.close()
            raise
        return sock

    async def _create_connection_transport(
        self,
        sock: Any,
        protocol_factory: Callable[[], Any],
        ssl: Any,
        server_hostname: str | None,
        *rest: Any,
        **options: Any,
    ) -> tuple[Any, Any]:
        extra: dict[str, Any] = {}
        if ssl:
            context = tls.context_of(None if ssl is True else ssl)
            timeout = options.get("ssl_handshake_timeout")
            try:
                sock = await self._shake_hands(sock, context, server_hostname, timeout)
            except BaseException:
                sock.close()
                raise
            extra = tls.extra_info(sock, context)
        sock.setblocking(False)
        protocol = protocol_factory()
        waiter = self.create_future()
        transport = self._make_socket_transport(sock, protocol, waiter, extra=extra)  # type: ignore[attr-defined]
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        return transport, protocol

    async def _shake_hands(
        self, sock: VirtualSocket, context: Any, name: str | None, timeout: float | None
    ) -> tls.VirtualTlsSocket:
        secured = tls.VirtualTlsSocket.over(sock, context, name)
        secured.setblocking(False)
        done: asyncio.Future[None] = self.create_future()

        def look() -> None:
            try:
                secured.do_handshake()
            except tls.WANTS:
                return
            except BaseException as error:
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(None)

        secured._begin_handshake()
        self._add_writer(secured.fileno(), look)  # type: ignore[attr-defined]
        try:
            await asyncio.wait_for(done, 60.0 if timeout is None else timeout)
        except asyncio.TimeoutError:
            raise ConnectionAbortedError("SSL handshake is taking longer than expected") from None
        finally:
            self._remove_writer(secured.fileno())  # type: ignore[attr-defined]
        return secured

    async def start_tls(
        self,
        transport: Any,
        protocol: Any,
        sslcontext: Any,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> Any:
        """A modelled handshake on a connection that is there; returns the same transport."""
        if server_side:
            raise EscapeError("servers of firmware speak no TLS in the simulation")
        transport.pause_reading()
        context = tls.context_of(sslcontext)
        sock = await self._shake_hands(
            transport._sock, context, server_hostname, ssl_handshake_timeout
        )
        transport._sock = sock
        transport._extra.update(tls.extra_info(sock, context))
        transport.set_protocol(protocol)
        transport.resume_reading()
        return transport

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: int | None = None,
        *,
        sock: VirtualSocket | None = None,
        backlog: int = 100,
        ssl: Any = None,
        start_serving: bool = True,
        **rest: Any,
    ) -> base_events.Server:
        """Listens on the host: hosts of the same world may connect."""
        if ssl:
            raise EscapeError("servers of firmware speak no TLS in the simulation")
        if sock is None:
            sock = VirtualSocket(host=self.host)
            local = host if isinstance(host, str) and host else "0.0.0.0"
            sock.bind((names.numeric(self.host, local) or local, port or 0))
        sock.setblocking(False)
        server = base_events.Server(self, [sock], protocol_factory, None, backlog, None)  # type: ignore[list-item]
        if start_serving:
            server._start_serving()  # type: ignore[attr-defined]
            await asyncio.sleep(0)
        return server

    # --- what needs the scope, or is not there --------------------------------------------------

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """In a thread of the simulation, which starts at its turn; any executor is the same."""
        if not self.host.scheduler.patched:
            name = getattr(func, "__qualname__", repr(func))
            raise EscapeError(
                f"run_in_executor({name}) may block: run it inside "
                "`with mqttwin.aio.patched(world):`, where blocking calls are simulated"
            )
        future = self.create_future()

        def work() -> None:
            try:
                value = func(*args)
            except Exception as error:
                self.call_soon_threadsafe(_fail, future, error)
            else:
                self.call_soon_threadsafe(_succeed, future, value)

        self.host.spawn(work, f"{self.host.name} (executor)")
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """There is none."""

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Accepted: no signal reaches a simulated host."""

    def remove_signal_handler(self, sig: int) -> bool:
        """See `add_signal_handler`."""
        return True

    async def subprocess_exec(self, *args: Any, **options: Any) -> Any:
        """Refused."""
        raise EscapeError("a process would run in real time: there are none in the simulation")

    async def subprocess_shell(self, *args: Any, **options: Any) -> Any:
        """Refused."""
        raise EscapeError("a process would run in real time: there are none in the simulation")

    async def create_datagram_endpoint(self, *args: Any, **options: Any) -> Any:
        """Refused."""
        raise EscapeError("only TCP is simulated, no UDP")

    async def create_unix_connection(self, *args: Any, **options: Any) -> Any:
        """Refused."""
        raise EscapeError("only TCP is simulated, no Unix sockets")

    async def create_unix_server(self, *args: Any, **options: Any) -> Any:
        """Refused."""
        raise EscapeError("only TCP is simulated, no Unix sockets")

    async def connect_read_pipe(self, *args: Any, **options: Any) -> Any:
        """Refused."""
        raise EscapeError("pipes to other processes are not simulated")

    async def connect_write_pipe(self, *args: Any, **options: Any) -> Any:
        """Refused."""
        raise EscapeError("pipes to other processes are not simulated")


class _Stepper(Activity):
    """A loop without a thread of its own: it runs on the driver's stack, and may not block."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(loop.host.scheduler, loop.host, loop.host.name)
        self._loop = loop
        self._selector: LoopSelector = loop._selector  # type: ignore[attr-defined]
        self._selector.stepped = True
        self._mains: list[asyncio.Task[object]] = []

    def start(self, main: Coroutine[Any, Any, object]) -> None:
        self._mains.append(self._loop.create_task(main))
        self.waiting = self.waiting or self not in self.scheduler.runnable
        self.wake()

    def resume(self) -> None:
        loop, scheduler, selector = self._loop, self.scheduler, self._selector
        if loop.is_closed():
            return
        self.ident = threading.get_ident()
        before, scheduler.current = scheduler.current, self
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(loop._asyncgen_firstiter_hook, loop._asyncgen_finalizer_hook)  # type: ignore[attr-defined]
        running = events._get_running_loop()
        events._set_running_loop(loop)
        loop._thread_id = self.ident  # type: ignore[attr-defined]
        try:
            while True:
                loop._run_once()  # type: ignore[attr-defined]
                if selector.idle and not loop._ready:  # type: ignore[attr-defined]
                    break
        finally:
            loop._thread_id = None  # type: ignore[attr-defined]
            events._set_running_loop(running)
            sys.set_asyncgen_hooks(*hooks)
            scheduler.current = before
        self._sleep()
        self._report()

    def _sleep(self) -> None:
        self._selector.watch_all(self)
        scheduled = self._loop._scheduled  # type: ignore[attr-defined]
        self.waits += 1
        self.waiting = True
        if scheduled:
            at = -int(-scheduled[0]._when * units.SECOND // 1)
            self.scheduler.add_timer(self, at)

    def _report(self) -> None:
        """What a firmware has not caught ends the run."""
        for task in [t for t in self._mains if t.done()]:
            self._mains.remove(task)
            if not task.cancelled() and task.exception() is not None:
                error = task.exception()
                assert error is not None
                raise error


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _succeed(future: asyncio.Future[Any], value: Any) -> None:
    if not future.done():
        future.set_result(value)
