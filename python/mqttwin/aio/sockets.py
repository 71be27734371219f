"""Sockets in virtual time, with the methods and errors of those of an operating system."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import socket as real
from collections import deque
from collections.abc import Iterable
from typing import Any

from .errors import EscapeError
from .files import File, Pipe
from .hosts import Host
from .names import resolve

PLAIN_PORT = 1883
TLS_PORT = 8883
READABLE, WRITABLE, CONNECTING, SECURING = 1, 2, 4, 8
FIRST_EPHEMERAL = 32768
MOST_BACKLOG = 128

_ERRNO = {
    "refused": errno.ECONNREFUSED,
    "reset": errno.ECONNRESET,
    "timed_out": errno.ETIMEDOUT,
    "broken_pipe": errno.EPIPE,
    "again": errno.EAGAIN,
}
Address = tuple[str, int]


def failure(number: int) -> OSError:
    """The error that a system call returns."""
    return OSError(number, os.strerror(number))


class VirtualSocket(File):
    """A TCP socket of a host.

    Blocking calls wait in virtual time; whoever calls them must be simulated.
    """

    default_timeout: float | None = None

    def __init__(
        self,
        family: int = -1,
        type: int = -1,
        proto: int = -1,
        fileno: int | None = None,
        *,
        host: Host,
    ) -> None:
        super().__init__()
        if fileno is not None:
            raise EscapeError("a socket cannot be made of a file number in the simulation")
        kind = real.SOCK_STREAM if type == -1 else type & 0xF
        if family not in (-1, real.AF_INET) or kind != real.SOCK_STREAM:
            raise EscapeError("only IPv4 TCP sockets are simulated, no UDP, IPv6 or Unix sockets")
        self.host = host
        self.family = real.AF_INET
        self.type = real.SOCK_STREAM
        self.proto = max(proto, 0)
        self._timeout = VirtualSocket.default_timeout
        if type != -1 and type & real.SOCK_NONBLOCK:
            self._timeout = 0.0
        self._core = host.scheduler.core
        self._id: int | None = None  # in the core
        self._watched = 0
        self._incoming: Pipe | None = None  # within the host
        self._outgoing: Pipe | None = None
        self._local: Address | None = None
        self._peer: Address | None = None
        self._waiting: deque[VirtualSocket] | None = None  # of a listener
        self._options: dict[tuple[int, int], Any] = {}
        self._secured = False
        self._mistaken = False  # speaks in clear to who speaks TLS
        self._dead = not host.powered
        self._io_refs = 0
        self._closed = False
        self.open_file()

    # --- readiness ------------------------------------------------------------------------------

    def readable(self) -> bool:
        """Whether reading would not wait."""
        if self._dead:
            return False
        if self._mistaken:
            return True
        if self._waiting:
            return True
        if self._incoming is not None:
            return bool(self._incoming.data) or self._incoming.ended or self._incoming.reset
        return self._id is not None and bool(self._core.socket_ready(self._id) & READABLE)

    def writable(self) -> bool:
        """Whether writing would not wait."""
        if self._dead:
            return False
        if self._mistaken:
            return True
        if self._outgoing is not None:
            return self._outgoing.room > 0 or self._outgoing.reset
        return self._id is not None and bool(self._core.socket_ready(self._id) & WRITABLE)

    def watch(self, read: bool, write: bool) -> None:
        """Somebody is about to wait."""
        mask = self._watched | (READABLE if read else 0) | (WRITABLE if write else 0)
        if self._id is not None and mask != self._watched:
            self._watched = mask  # others may wait for something else
            self._core.socket_watch(self._id, bool(mask & READABLE), bool(mask & WRITABLE))

    def _wait(self, read: bool, write: bool, deadline: int | None) -> None:
        if self._timeout == 0:
            raise failure(errno.EAGAIN)
        if not self.wait(read, write, deadline):
            raise TimeoutError("timed out")

    def _deadline(self) -> int | None:
        return self.host.scheduler.after(self._timeout)

    # --- connecting -----------------------------------------------------------------------------

    def connect(self, address: Any) -> None:
        """Connects; waits for it unless the socket is non-blocking (EINPROGRESS)."""
        error = self._begin(address)
        if error == errno.EINPROGRESS and self._timeout != 0:
            deadline = self._deadline()
            while self._id is not None and self._core.socket_ready(self._id) & CONNECTING:
                self._wait(False, True, deadline)
            error = self._take_error()
        if error:
            raise failure(error)

    def connect_ex(self, address: Any) -> int:
        """As `connect`, but returns the error's number."""
        try:
            self.connect(address)
        except TimeoutError:
            return errno.EAGAIN
        except OSError as error:
            return error.errno or errno.EINVAL
        return 0

    def _begin(self, address: Any) -> int:
        self._check_open()
        if self._dead:
            return errno.EINPROGRESS
        if self._id is not None:
            return (
                errno.EALREADY
                if self._core.socket_ready(self._id) & CONNECTING
                else (
                    errno.EISCONN
                    if self._core.socket_ready(self._id) & WRITABLE
                    else errno.EALREADY
                )
            )
        if self._incoming is not None:
            return errno.EISCONN
        scheduler = self.host.scheduler
        ip, port = resolve(self.host, address[0]), int(address[1])
        self._peer = (ip, port)
        if self._local is None:
            self._local = (self.host.address, scheduler.next_port())
        if ip.startswith("127.") or ip in (self.host.address, "0.0.0.0"):
            return self._connect_within(ip, port)
        self._id = self._core.socket_open(self.host.number)
        self.host.connects += 1
        scheduler.sockets[self._id] = self
        self._core.socket_connect(self._id, self._target(ip, port))
        return errno.EINPROGRESS

    def _target(self, ip: str, port: int) -> int:
        """The core's address of who listens there; of who refuses; or of nobody at all."""
        scheduler = self.host.scheduler
        listener = scheduler.listeners.get((ip, port))
        if isinstance(listener, VirtualSocket) and listener.listens_at >= 0:
            return listener.listens_at
        numbers = [int(part) for part in ip.split(".")]
        number = int.from_bytes(bytes(numbers), "big")
        brokers = {self._core.broker_address(b._number) for b in scheduler.world.brokers.values()}
        if number in brokers and port in (PLAIN_PORT, TLS_PORT):
            return number
        if number in brokers or any(h.address == ip and h.powered for h in scheduler.hosts):
            return scheduler.refusing()
        return -1

    def _connect_within(self, ip: str, port: int) -> int:
        listener = self.host.scheduler.listeners.get((self.host.address, port))
        if not isinstance(listener, VirtualSocket) or listener.host is not self.host:
            return errno.ECONNREFUSED
        assert listener._waiting is not None
        if len(listener._waiting) >= MOST_BACKLOG:
            return errno.ECONNREFUSED
        self._local = (ip, self._local[1] if self._local else 0)
        other = VirtualSocket(host=self.host)
        other._local, other._peer = self._peer, self._local
        join(self, other)
        listener._waiting.append(other)
        listener.notify()
        return 0

    # --- listening ------------------------------------------------------------------------------

    listens_at = -1

    def bind(self, address: Any) -> None:
        """A local address; port 0 is any."""
        port = int(address[1]) or self.host.scheduler.next_port()
        if (self.host.address, port) in self.host.scheduler.listeners:
            raise failure(errno.EADDRINUSE)
        self._local = (str(address[0]) or "0.0.0.0", port)

    def listen(self, backlog: int = MOST_BACKLOG) -> None:
        """Hosts of this world may connect from now on."""
        self._check_open()
        if self._waiting is not None:
            return
        scheduler = self.host.scheduler
        if self._local is None:
            self.bind(("", 0))
        assert self._local is not None
        place = (self.host.address, self._local[1])
        if place in scheduler.listeners:
            raise failure(errno.EADDRINUSE)
        self._waiting = deque()
        scheduler.listeners[place] = self
        if not self._local[0].startswith("127."):
            self._id = self._core.socket_open(self.host.number)
            scheduler.sockets[self._id] = self
            self._watched = 0
            name = f"{self.host.name} port {self._local[1]} #{self.number}"
            self.listens_at = self._core.socket_listen(self._id, name)

    def accept(self) -> tuple[VirtualSocket, Address]:
        """The next connection, and where it comes from."""
        if self._waiting is None:
            raise failure(errno.EINVAL)
        deadline = self._deadline()
        while True:
            if self._waiting:
                other = self._waiting.popleft()
                break
            number = -1 if self._id is None else self._core.socket_accept(self._id)
            if number >= 0:
                other = VirtualSocket(host=self.host)
                other._id = number
                other._local = self._local
                other._peer = ("0.0.0.0", 0)
                self.host.scheduler.sockets[number] = other
                break
            self._wait(True, False, deadline)
        return other, other._peer or ("0.0.0.0", 0)

    # --- bytes ----------------------------------------------------------------------------------

    def send(self, data: Any, flags: int = 0) -> int:
        """Sends as much as the send buffer takes."""
        self._check_open()
        deadline = self._deadline()
        while True:
            sent = self._send_now(data)
            if sent is not None:
                return sent
            self._wait(False, True, deadline)

    def _send_now(self, data: Any) -> int | None:
        """How many bytes were taken; None: it would have to wait."""
        if self._dead:
            return len(memoryview(data).cast("B"))
        if self._mistaken:
            raise failure(errno.ECONNRESET)
        if self._outgoing is not None:
            return self._send_within(self._outgoing, data)
        if self._id is None:
            raise failure(errno.ENOTCONN)
        if self._peer is not None and self._peer[1] == TLS_PORT and not self._secured:
            self._mistaken = True  # what is no ClientHello ends in a reset
            self._core.socket_close(self._id, True)
            self.host.scheduler.sockets.pop(self._id)
            self._id = None
            return len(memoryview(data).cast("B"))
        sent, error = self._core.socket_send(self._id, data)
        if error == "again":
            return None
        if error:
            raise failure(_ERRNO[error])
        return sent

    def _send_within(self, pipe: Pipe, data: Any) -> int | None:
        if pipe.reset or pipe.ended:
            raise failure(errno.EPIPE)
        piece = memoryview(data).cast("B")[: pipe.room]
        if not piece and len(data):
            return None
        pipe.data += piece
        pipe.tell()
        return len(piece)

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Sends everything, or raises."""
        rest = memoryview(data).cast("B")
        while rest:
            rest = rest[self.send(rest) :]

    def sendmsg(self, buffers: Iterable[Any], *ignored: Any) -> int:
        """Sends several buffers as one."""
        return self.send(b"".join(bytes(b) for b in buffers))

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What has arrived, at most so much; b"" at the end of the stream."""
        self._check_open()
        deadline = self._deadline()
        peek = bool(flags & real.MSG_PEEK)
        while True:
            data = self._receive_now(size, peek)
            if data is not None:
                return data
            self._wait(True, False, deadline)

    def _receive_now(self, size: int, peek: bool) -> bytes | None:
        if self._dead:
            return None
        if self._mistaken:
            raise failure(errno.ECONNRESET)
        if self._incoming is not None:
            return self._receive_within(self._incoming, size, peek)
        if self._id is None or self._waiting is not None:
            raise failure(errno.ENOTCONN)
        data, error = self._core.socket_receive(self._id, size, peek)
        if error == "again":
            return None
        if error:
            raise failure(_ERRNO[error])
        return data

    @staticmethod
    def _receive_within(pipe: Pipe, size: int, peek: bool) -> bytes | None:
        if not pipe.data:
            if pipe.reset:
                raise failure(errno.ECONNRESET)
            return b"" if pipe.ended else None
        data = bytes(pipe.data[:size])
        if not peek:
            del pipe.data[:size]
            pipe.tell()
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As `recv`, into a buffer."""
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Address | None]:
        """As `recv`, with the peer's address."""
        return self.recv(size, flags), self._peer

    # --- the end --------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """No more is sent (SHUT_WR, SHUT_RDWR); what comes may still be read."""
        if self._dead or how == real.SHUT_RD:
            return
        if self._id is None and self._outgoing is None:
            raise failure(errno.ENOTCONN)
        if self._outgoing is not None:
            self._outgoing.ended = True
            self._outgoing.tell()
        elif self._id is not None:
            self._core.socket_finish(self._id)

    def close(self) -> None:
        """In good order; by a reset where something has not been read, or by SO_LINGER of 0 s."""
        self._closed = True
        if self._io_refs <= 0:
            self._close_now()

    def unplug(self) -> None:
        """Nothing comes, and what is sent goes nowhere; but nobody has said so."""
        self._dead = True
        if self._id is not None and self._waiting is None:
            self.host.scheduler.sockets.pop(self._id, None)
            self._core.socket_close(self._id, True)  # it has no connection any more
            self._id = None

    def abandon(self) -> None:
        """Its host has lost its power."""
        self._closed = True
        self._close_now()

    def _close_now(self) -> None:
        if self.number < 0:
            return
        scheduler = self.host.scheduler
        if self._waiting is not None and self._local is not None:
            scheduler.listeners.pop((self.host.address, self._local[1]), None)
            for other in self._waiting:
                other.close()
        if self._incoming is not None and self._outgoing is not None:
            self._outgoing.ended = True
            self._outgoing.reset = self._outgoing.reset or bool(self._incoming.data)
            self._incoming.reset = True
            self._outgoing.tell()
            self._incoming.tell()
        if self._id is not None:
            linger = self._options.get((real.SOL_SOCKET, real.SO_LINGER))
            at_once = linger is not None and bytes(linger)[:8] == b"\1\0\0\0\0\0\0\0"
            scheduler.sockets.pop(self._id, None)
            if not scheduler.over:
                self._core.socket_close(self._id, at_once)
            self._id = None
        self.close_file()

    def detach(self) -> int:
        """Not in the simulation: whoever would take the number could not use it."""
        raise EscapeError("a simulated socket cannot be detached")

    def __del__(self) -> None:
        if getattr(self, "number", -1) >= 0:
            with contextlib.suppress(Exception):  # the world may be gone, or running
                self._close_now()

    def _check_open(self) -> None:
        if self.number < 0:
            raise failure(errno.EBADF)

    # --- the rest of the interface --------------------------------------------------------------

    @property
    def timeout(self) -> float | None:
        """As `gettimeout`."""
        return self._timeout

    def settimeout(self, value: float | None) -> None:
        """Seconds of virtual time, 0 for non-blocking, None for ever."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = None if value is None else float(value)

    def gettimeout(self) -> float | None:
        """See `settimeout`."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """See `settimeout`."""
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        """See `settimeout`."""
        return self._timeout != 0

    def _take_error(self) -> int:
        if self._id is None:
            return 0
        name = self._core.socket_error(self._id)
        return _ERRNO[name] if name else 0

    def setsockopt(self, level: int, option: int, *value: Any) -> None:
        """Remembered; the link's own options decide (`mqttwin.links`, TCP)."""
        self._options[level, option] = value[0] if len(value) == 1 else value

    def getsockopt(self, level: int, option: int, size: int = 0) -> Any:
        """SO_ERROR is real, the others are what was set."""
        if (level, option) == (real.SOL_SOCKET, real.SO_ERROR):
            return self._take_error()
        if (level, option) == (real.SOL_SOCKET, real.SO_TYPE):
            return int(self.type)
        return self._options.get((level, option), 0)

    def getpeername(self) -> Address:
        """Where it is connected to."""
        if self._peer is None or (self._id is None and self._incoming is None):
            raise failure(errno.ENOTCONN)
        if self._id is not None and self._core.socket_ready(self._id) & CONNECTING:
            raise failure(errno.ENOTCONN)
        return self._peer

    def getsockname(self) -> Address:
        """Its own end."""
        return self._local or ("0.0.0.0", 0)

    def fileno(self) -> int:
        """A number that means something in the simulation only; -1: closed."""
        return self.number

    def get_inheritable(self) -> bool:
        """Nobody inherits."""
        return False

    def set_inheritable(self, inheritable: bool) -> None:
        """Nobody inherits."""

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """A file object over the socket, as `socket.socket.makefile`."""
        raw = real.SocketIO(self, "".join(c for c in mode if c in "rw") or "r")  # type: ignore[arg-type]
        self._io_refs += 1
        if buffering == 0:
            return raw
        size = io.DEFAULT_BUFFER_SIZE if buffering in (None, -1) else buffering
        assert size is not None
        buffer: Any
        if "r" in mode and "w" in mode:
            buffer = io.BufferedRWPair(raw, raw, size)
        else:
            buffer = (
                io.BufferedReader(raw, size) if "w" not in mode else io.BufferedWriter(raw, size)
            )
        return buffer if "b" in mode else io.TextIOWrapper(buffer, encoding, errors, newline)

    def _decref_socketios(self) -> None:
        self._io_refs -= 1
        if self._closed and self._io_refs <= 0:
            self._close_now()

    def __enter__(self) -> VirtualSocket:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<virtual socket of {self.host.name}, laddr={self._local}, raddr={self._peer}>"


def join(first: VirtualSocket, second: VirtualSocket) -> None:
    """Connects two sockets of a host with each other."""
    there, back = Pipe(), Pipe()
    first._outgoing = second._incoming = there
    second._outgoing = first._incoming = back
    there.writer = back.reader = first
    there.reader = back.writer = second


def pair(host: Host) -> tuple[VirtualSocket, VirtualSocket]:
    """As socket.socketpair."""
    first, second = VirtualSocket(host=host), VirtualSocket(host=host)
    first._local = first._peer = second._local = second._peer = ("", 0)
    join(first, second)
    return first, second
