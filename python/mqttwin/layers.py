"""What lies between TCP and MQTT: TLS, WebSocket, or WebSocket over TLS.

Both cost bytes and round trips; nothing is encrypted, and no certificate is made::

    mt.tls(key="rsa2048", chain="intermediate")
    mt.tls(version="1.2", mutual=True, resumption=True)
    mt.websocket(path="/mqtt")

Sizes are those of OpenSSL 3.0 with its defaults; docs/layers.md has tables and says how they were
checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from . import _core, units
from .errors import ConfigError
from .units import Duration

Version: TypeAlias = Literal["1.2", "1.3"]
Key: TypeAlias = Literal["p256", "p384", "rsa2048", "rsa3072", "rsa4096"]
Cipher: TypeAlias = Literal["aes256_gcm_sha384", "aes128_gcm_sha256", "chacha20_poly1305"]
Chain: TypeAlias = Literal["leaf", "intermediate", "root"] | Sequence[int]

Compute: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class Tls:
    """TLS below MQTT; made by `tls`.

    Attributes:
        version: Spoken, "1.2" or "1.3".
        key: Of the server's certificate.
        cipher: Of the cipher suite.
        chain: Bytes of the certificates that the server sends, leaf first.
        mutual: Whether the client sends certificates, too.
        client_key: Of the client's certificate.
        client_chain: As `chain`.
        resumption: Whether connections after the first one resume the session.
        tickets: Session tickets after a full handshake.
        server_name: Host name in the ClientHello, or "".
        offers_both: Whether the client offers both versions.
        pads_hello: Whether a ClientHello of 256 to 511 bytes is padded to 512.
        session_context: Bytes of the server's session id context.
        compute_full, compute_resumed: Nanoseconds before the ClientHello, the server's flight,
            the client's last flight and the server's last one.
    """

    version: str
    key: str
    cipher: str
    chain: tuple[int, ...]
    mutual: bool
    client_key: str
    client_chain: tuple[int, ...]
    resumption: bool
    tickets: int
    server_name: str
    offers_both: bool
    pads_hello: bool
    session_context: int
    compute_full: Compute
    compute_resumed: Compute

    def _core(self) -> _core.TlsSpec:
        out = _core.TlsSpec()
        for field in fields(self):
            value = getattr(self, field.name)
            setattr(out, field.name, list(value) if isinstance(value, tuple) else value)
        return out

    def handshake(self, *, resumed: bool = False, connection: int = 0) -> tuple[int, int]:
        """Bytes on TCP of a handshake, (up, down), with the tickets after it.

        Args:
            resumed: Of a connection that resumes a session.
            connection: Signatures and tickets vary in length; another number, another draw.
        """
        script = _core.opening_script(
            layers_of(self, None), resumed=resumed, seed=0, connection=connection
        )
        up, down = (sum(n for who, _, n in script if who == side) for side in ("client", "server"))
        return up, down

    def __str__(self) -> str:
        """One line for reports."""
        sent = "+".join(map(str, self.chain))
        parts = [f"TLS {self.version}", self.key, f"certificates of {sent} bytes"]
        if self.mutual:
            own = "+".join(map(str, self.client_chain))
            parts.append(f"mutual ({self.client_key}, {own} bytes)")
        if self.resumption:
            parts.append("resumed")
        return ", ".join(parts)


def tls(
    version: Version = "1.3",
    *,
    key: Key = "p256",
    chain: Chain = "intermediate",
    mutual: bool = False,
    client_key: Key | None = None,
    client_chain: Chain | None = None,
    resumption: bool = False,
    cipher: Cipher = "aes256_gcm_sha384",
    tickets: int = 2,
    server_name: str = "",
    offers_both: bool = False,
    pads_hello: bool = False,
    session_context: int = 0,
    compute: Duration | Sequence[Duration] = 0,
    compute_resumed: Duration | Sequence[Duration] = 0,
) -> Tls:
    """TLS as bytes and round trips.

    Args:
        version: That both speak, "1.2" or "1.3".
        key: Of the server's certificate (and of those that it sends with it): "p256", "p384",
            "rsa2048", "rsa3072" or "rsa4096".
        chain: What the server sends: "leaf", leaf and "intermediate", leaf and "root", or the
            bytes of each certificate in DER, leaf first: ``(1100, 1300)``. The names stand for
            certificates made with the openssl command.
        mutual: The server asks for a certificate, and the client has one.
        client_key: As `key`, and as that by default.
        client_chain: As `chain`; by default that of the server where it is named, with keys of
            `client_key`.
        resumption: A device's connections after the first resume its session, as long as the
            client does not forget it.
        cipher: "aes256_gcm_sha384", "aes128_gcm_sha256" or "chacha20_poly1305".
        tickets: Session tickets after a full handshake, 0 to 16. TLS 1.2 sends one if that is
            not 0; without any it resumes by the session's name.
        server_name: Host name that the client asks for (SNI); most clients do.
        offers_both: The client offers 1.2 and 1.3.
        pads_hello: The client pads a ClientHello of 256 to 511 bytes to 512, as Python's does.
        session_context: Bytes of the server's session id context, which is part of tickets.
        compute: How long the ends compute: before ClientHello, the server's flight, the client's
            last flight and the server's last one; a single one is that of the two in the middle.
        compute_resumed: The same for resumed sessions.

    Raises:
        ConfigError: A value that cannot be.
    """
    client = client_key or key
    named = isinstance(chain, str)
    out = Tls(
        version=version,
        key=key,
        cipher=cipher,
        chain=_chain(key, chain, "chain"),
        mutual=bool(mutual),
        client_key=client,
        client_chain=_chain(
            client,
            client_chain if client_chain is not None else chain if named else "intermediate",
            "client_chain",
        ),
        resumption=bool(resumption),
        tickets=_count(tickets, "tickets"),
        server_name=server_name,
        offers_both=bool(offers_both),
        pads_hello=bool(pads_hello),
        session_context=_count(session_context, "session_context"),
        compute_full=_compute(compute, "compute"),
        compute_resumed=_compute(compute_resumed, "compute_resumed"),
    )
    _check(layers_of(out, None))
    return out


@dataclass(frozen=True)
class WebSocket:
    """WebSocket below MQTT; made by `websocket`.

    Attributes:
        host: As in the Host header.
        path: Of the request.
        request_headers: Further header lines, each with CR LF.
        response_headers: The same of the answer.
    """

    host: str
    path: str
    request_headers: str
    response_headers: str

    def _core(self) -> _core.WebSocketSpec:
        out = _core.WebSocketSpec()
        for field in fields(self):
            setattr(out, field.name, getattr(self, field.name))
        return out

    def __str__(self) -> str:
        """One line for reports."""
        return f"WebSocket, {self.path}"


def websocket(
    path: str = "/mqtt",
    *,
    host: str = "broker.example:8080",
    headers: Sequence[tuple[str, str]] = (),
    response_headers: Sequence[tuple[str, str]] = (),
) -> WebSocket:
    """MQTT over WebSocket (RFC 6455, subprotocol mqtt): an upgrade, and a frame for each write.

    Args:
        path: Of the request, such as "/mqtt".
        host: Of the Host header, with its port.
        headers: Further headers of the request, (name, value).
        response_headers: Further headers of the answer.

    Raises:
        ConfigError: A value that cannot be.
    """
    out = WebSocket(
        host=host,
        path=path,
        request_headers=_headers(headers, "headers"),
        response_headers=_headers(response_headers, "response_headers"),
    )
    _check(layers_of(None, out))
    return out


def tls_of(value: object) -> Tls | None:
    """What a fleet was given as `tls`; True is `tls` with its defaults."""
    if value is True:
        return tls()
    if value is None or isinstance(value, Tls):
        return value
    raise ConfigError(f"{value!r} is none (write mt.tls(), or None)", key="tls")


def websocket_of(value: object) -> WebSocket | None:
    """What a fleet was given as `websocket`; True is `websocket` with its defaults."""
    if value is True:
        return websocket()
    if value is None or isinstance(value, WebSocket):
        return value
    raise ConfigError(f"{value!r} is none (write mt.websocket(), or None)", key="websocket")


def layers_of(tls: Tls | None, websocket: WebSocket | None) -> _core.LayersSpec:
    """Both together, for the core."""
    out = _core.LayersSpec()
    if tls is not None:
        with _refusals():
            out.tls = tls._core()
    if websocket is not None:
        with _refusals():
            out.websocket = websocket._core()
    return out


def _check(layers: _core.LayersSpec) -> None:
    with _refusals():
        layers.check()


@contextmanager
def _refusals() -> Iterator[None]:
    """What the core refuses begins with the name of the parameter."""
    try:
        yield
    except (ValueError, TypeError) as error:
        name, _, range_ = str(error).partition(" ")
        if not range_.startswith("must be"):
            raise ConfigError("a value of the wrong type", key="layers") from error
        name = name.rstrip(":").removeprefix("tls.").removeprefix("websocket.")
        raise ConfigError(range_, key="headers" if name == "request_headers" else name) from None


def _chain(key: str, chain: Chain, name: str) -> tuple[int, ...]:
    if isinstance(chain, str):
        with _refusals():
            return tuple(_core.certificate_chain(key, chain))
    return tuple(_count(size, name) for size in chain)


def _count(value: int, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise ConfigError(f"must be a whole number from 0, not {value!r}", key=name)
    return value


def _compute(value: Duration | Sequence[Duration], name: str) -> Compute:
    if isinstance(value, str) or not isinstance(value, Sequence):
        one = units.duration(value, name)
        return (0, one, one, 0)
    if len(value) != 4:
        raise ConfigError(f"must be a duration or four, not {len(value)}", key=name)
    hello, server, client, finish = (units.duration(part, name) for part in value)
    return (hello, server, client, finish)


def _headers(headers: Sequence[tuple[str, str]], name: str) -> str:
    for field, value in headers:
        if not field or any(c in field + value for c in "\r\n") or ":" in field:
            raise ConfigError(f"{field!r}: {value!r} is no header", key=name)
    return "".join(f"{field}: {value}\r\n" for field, value in headers)
