"""TLS as a handshake that costs bytes and round trips; nothing is encrypted.

The messages are those of the host's `mqttwin.tls`. Of certificates the names are checked, where
the context does: a broker has one for its host name.
"""

from __future__ import annotations

import ssl
from typing import Any

from .errors import EscapeError
from .sockets import SECURING, TLS_PORT, VirtualSocket, failure

WANTS = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
_VERSIONS = {"1.2": "TLSv1.2", "1.3": "TLSv1.3"}


class VirtualTlsSocket(VirtualSocket):
    """As ssl.SSLSocket."""

    context: Any
    server_hostname: str | None
    _began = False

    @classmethod
    def over(cls, sock: VirtualSocket, context: Any, name: str | None) -> VirtualTlsSocket:
        """Takes a connection over; the socket that it was is not to be used any more."""
        if context.check_hostname and not name:
            raise ValueError("check_hostname requires server_hostname")
        self = cls.__new__(cls)
        self.__dict__.update(sock.__dict__)
        scheduler = self.host.scheduler
        scheduler.files[self.number] = self
        if self._id is not None:
            scheduler.sockets[self._id] = self
        sock.__dict__.update(number=-1, _id=None, _incoming=None, _outgoing=None, _waiting=None)
        self.context = context
        self.server_hostname = name
        return self

    def do_handshake(self, block: bool = False) -> None:
        """Waits for it as the socket's time-out says.

        Raises:
            ssl.SSLError: The server speaks no TLS, or has no certificate for that name.
        """
        self._begin_handshake()
        deadline = self._deadline()
        while self._id is not None and self._core.socket_ready(self._id) & SECURING:
            if self._timeout == 0:
                raise ssl.SSLWantReadError(
                    ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)"
                )
            self._wait(False, True, deadline)
        error = self._take_error()
        if error:
            raise failure(error)
        self._check_name()
        self._secured = True

    def _begin_handshake(self) -> None:
        if self._began:
            return
        if self._peer is None or self._peer[1] != TLS_PORT or self._id is None:
            raise ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c)")
        self._began = True
        self._core.socket_secure(self._id)

    def _check_name(self) -> None:
        name = self.server_hostname
        if not self.context.check_hostname or name is None or self._peer is None:
            return
        if not self.host.certifies(name, self._peer[0]):
            raise ssl.SSLCertVerificationError(
                1,
                "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: Hostname mismatch, "
                f"certificate is not valid for '{name}'. (_ssl.c)",
            )

    def _wait(self, read: bool, write: bool, deadline: int | None) -> None:
        if self._timeout == 0:
            kind = ssl.SSLWantReadError if read else ssl.SSLWantWriteError
            number = ssl.SSL_ERROR_WANT_READ if read else ssl.SSL_ERROR_WANT_WRITE
            raise kind(number, "The operation did not complete")
        super()._wait(read, write, deadline)

    def read(self, size: int = 1024, buffer: Any = None) -> Any:
        """As `recv`."""
        return self.recv(size) if buffer is None else self.recv_into(buffer, size)

    def write(self, data: Any) -> int:
        """As `send`."""
        return self.send(data)

    def pending(self) -> int:
        """Nothing is decrypted ahead."""
        return 0

    def version(self) -> str | None:
        """The protocol that the host's `mqttwin.tls` speaks."""
        return _VERSIONS[self.host.tls.version] if self._secured else None

    def cipher(self) -> tuple[str, str, int] | None:
        """Its cipher suite."""
        return (self.host.tls.cipher.upper(), self.version() or "", 256) if self._secured else None

    def getpeercert(self, binary_form: bool = False) -> Any:
        """No certificate is made; its subject is the server's name."""
        if binary_form:
            return b""
        name = self.server_hostname or ""
        return {"subject": ((("commonName", name),),), "subjectAltName": (("DNS", name),)}

    def selected_alpn_protocol(self) -> None:
        """None is negotiated."""

    def unwrap(self) -> VirtualSocket:
        """Not simulated: connections end with TLS."""
        raise EscapeError("a connection cannot go on in clear after TLS in the simulation")


def context_of(context: Any) -> Any:
    """A context as it was given, or the default one."""
    return ssl.create_default_context() if context is None else context


def extra_info(sock: VirtualTlsSocket, context: Any) -> dict[str, Any]:
    """What transports know of it."""
    return {
        "sslcontext": context,
        "ssl_object": sock,
        "peercert": sock.getpeercert(),
        "cipher": sock.cipher(),
        "compression": None,
    }


def wrap(
    context: Any,
    sock: Any,
    server_side: bool = False,
    do_handshake_on_connect: bool = True,
    suppress_ragged_eofs: bool = True,
    server_hostname: str | None = None,
    session: Any = None,
) -> VirtualTlsSocket:
    """As SSLContext.wrap_socket."""
    if not isinstance(sock, VirtualSocket):
        raise EscapeError(f"{sock!r} is a real socket")
    if server_side:
        raise EscapeError("servers of firmware speak no TLS in the simulation")
    secured = VirtualTlsSocket.over(sock, context, server_hostname)
    if do_handshake_on_connect and secured._peer is not None and secured._timeout != 0:
        secured.do_handshake()
    return secured
