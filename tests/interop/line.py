"""A line between a client and a broker, which can be cut."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER without lingering: closing sends RST


class Line:
    """Forwards one connection, byte by byte.

    Whatever library a client is of, its connection ends in the same way: a reset at both ends,
    as when a network is gone. A second connection is refused.

    Attributes:
        address: Where a client has to connect to.
    """

    def __init__(self, host: str, port: int) -> None:
        self._far = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self.address: tuple[str, int] = self._listener.getsockname()[:2]
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self._cut = False
        self._deaf = threading.Event()
        self._said = {"client": bytearray(), "broker": bytearray()}
        self._threads = [threading.Thread(target=self._serve, name="line", daemon=True)]
        self._threads[0].start()

    def ignore_client(self) -> None:
        """From now on, nothing that the client says arrives."""
        self._deaf.set()

    def told(self, piece: bytes) -> int:
        """How often the client has sent these bytes."""
        return self._said["client"].count(piece)

    def heard(self, piece: bytes) -> int:
        """How often the broker has sent these bytes."""
        return self._said["broker"].count(piece)

    def cut(self) -> None:
        """Breaks it, without a goodbye."""
        with self._lock:
            self._cut = True
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    end.shutdown(socket.SHUT_RD)  # wakes the thread that reads
                end.close()

    def _serve(self) -> None:
        try:
            near, _ = self._listener.accept()
        except OSError:
            return  # closed unused
        self._listener.close()
        far = socket.create_connection(self._far)
        with self._lock:
            self._ends = [near, far]
            for end in self._ends:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._cut:
                near.close()
                far.close()
                return
        back = threading.Thread(target=self._pump, args=("broker", far, near), daemon=True)
        self._threads.append(back)
        back.start()
        self._pump("client", near, far)

    def _pump(self, who: str, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if who == "client" and self._deaf.is_set():
                    continue
                self._said[who] += data
                sink.sendall(data)
            if not self._cut:
                sink.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()
