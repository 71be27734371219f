"""Options that ``mqttwin pub`` and ``mqttwin sub`` have in common: where, who, how."""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import unquote, urlsplit

import typer

from ..client import Client
from ..client_values import NEVER_EXPIRES
from ..errors import ConfigError
from ..messages import Message
from . import properties

_VERSIONS = {
    **dict.fromkeys(("mqttv5", "5"), 5),
    **dict.fromkeys(("mqttv311", "311", "3.1.1", "4"), 4),
    **dict.fromkeys(("mqttv31", "31", "3.1", "3"), 3),
}

Host: TypeAlias = Annotated[str, typer.Option("-h", "--host", metavar="HOST")]
Port: TypeAlias = Annotated[
    int | None,
    typer.Option("-p", "--port", metavar="PORT", min=1, max=65535, help="1883, or 8883 with TLS."),
]
Url: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-L", "--url", metavar="URL", help="mqtt://user:password@host:port/topic, or mqtts."
    ),
]
Unix: TypeAlias = Annotated[
    str | None, typer.Option("--unix", metavar="PATH", help="A socket of this machine.")
]
Version: TypeAlias = Annotated[
    str, typer.Option("-V", "--protocol-version", metavar="VERSION", help="mqttv5|mqttv311|mqttv31")
]
Identifier: TypeAlias = Annotated[
    str | None, typer.Option("-i", "--id", metavar="ID", help="Client identifier.")
]
IdPrefix: TypeAlias = Annotated[
    str | None,
    typer.Option("-I", "--id-prefix", metavar="PREFIX", help="The process's number follows."),
]
KeepAlive: TypeAlias = Annotated[
    int, typer.Option("-k", "--keepalive", metavar="SECONDS", min=0, max=65535)
]
User: TypeAlias = Annotated[str | None, typer.Option("-u", "--username", metavar="NAME")]
Password: TypeAlias = Annotated[str | None, typer.Option("-P", "--pw", metavar="PASSWORD")]
Auth: TypeAlias = Annotated[
    str | None,
    typer.Option("--auth", metavar="METHOD", help="Enhanced authentication: SCRAM-SHA-256."),
]
Keep: TypeAlias = Annotated[
    bool,
    typer.Option("-c", "--disable-clean-session", help="Take up a session (needs -i)."),
]
Expiry: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "-x", "--session-expiry-interval", metavar="SECONDS", help="Of the session; or infinity."
    ),
]
Quality: TypeAlias = Annotated[int, typer.Option("-q", "--qos", metavar="0|1|2", min=0, max=2)]
Property: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "-D",
        "--property",
        metavar="COMMAND NAME VALUE",
        help="A property of MQTT 5.0, such as publish content-type text/plain, "
        "or publish user-property KEY VALUE.",
    ),
]
WillTopic: TypeAlias = Annotated[str | None, typer.Option("--will-topic", metavar="TOPIC")]
WillPayload: TypeAlias = Annotated[str | None, typer.Option("--will-payload", metavar="TEXT")]
WillQos: TypeAlias = Annotated[int, typer.Option("--will-qos", metavar="0|1|2", min=0, max=2)]
WillRetain: TypeAlias = Annotated[bool, typer.Option("--will-retain")]
CaFile: TypeAlias = Annotated[
    Path | None, typer.Option("--cafile", metavar="FILE", help="Who may vouch for the server.")
]
CaPath: TypeAlias = Annotated[
    Path | None, typer.Option("--capath", metavar="DIR", help="The same, a file for each.")
]
Certificate: TypeAlias = Annotated[
    Path | None, typer.Option("--cert", metavar="FILE", help="Who we are.")
]
Key: TypeAlias = Annotated[Path | None, typer.Option("--key", metavar="FILE", help="Its key.")]
Insecure: TypeAlias = Annotated[
    bool, typer.Option("--insecure", help="TLS without looking at whom it is with.")
]
SystemCertificates: TypeAlias = Annotated[
    bool, typer.Option("--tls-use-os-certs", help="TLS with the certificates of the system.")
]
Debug: TypeAlias = Annotated[bool, typer.Option("-d", "--debug", help="Say what happens.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", help="Say nothing but what is wrong.")]


@dataclass(frozen=True)
class Target:
    """Where to, from ``-h``, ``-p`` or ``-L``."""

    host: str = "localhost"
    port: int | None = None
    username: str | None = None
    password: str | None = None
    topic: str | None = None
    tls: bool = False

    @classmethod
    def of_url(cls, url: str) -> Target:
        """From a URL.

        Raises:
            ConfigError: It is none of MQTT.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            message = f"{url!r} is not mqtt[s]://[user[:password]@]host[:port]/topic"
            raise ConfigError(message, key="--url")
        try:
            port = parts.port
        except ValueError as error:
            raise ConfigError(str(error), key="--url") from None
        return cls(
            parts.hostname,
            port,
            None if parts.username is None else unquote(parts.username),
            None if parts.password is None else unquote(parts.password),
            unquote(parts.path[1:]) or None,
            parts.scheme == "mqtts",
        )


@dataclass(frozen=True)
class Connection:
    """What both commands have been told about their connection."""

    target: Target
    properties: Mapping[str, dict[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    debug: bool = False

    def client(self) -> Client:
        """One that is not connected yet."""
        return Client(self.target.host, self.target.port, **self.options)

    def tell(self, message: str) -> None:
        """With ``--debug``, what happens."""
        if self.debug:
            print(f"mqttwin: {message}", file=sys.stderr, flush=True)


def target_of(host: str, port: int | None, url: str | None) -> Target:
    """Where to.

    Raises:
        ConfigError: It is said twice, or the URL is none.
    """
    if url is None:
        return Target(host, port)
    if host != Target.host or port is not None:
        raise ConfigError("says where already: no -h or -p beside it", key="--url")
    return Target.of_url(url)


def connection(options: Mapping[str, Any], target: Target) -> Connection:
    """Everything about a connection, checked, from the parameters of a command by name.

    Raises:
        ConfigError: Something does not fit.
    """
    version, identifier, id_prefix = options["version"], options["identifier"], options["id_prefix"]
    keep, expiry, user, password = (options[k] for k in ("keep", "expiry", "user", "password"))
    tls = _tls(options)
    number = _VERSIONS.get(version.lower())
    if number is None:
        raise ConfigError(f"{version!r} is none of mqttv5, mqttv311, mqttv31", key="-V")
    if identifier is not None and id_prefix is not None:
        raise ConfigError("not both -i and -I", key="--id-prefix")
    if id_prefix is not None:
        identifier = f"{id_prefix}{os.getpid()}"
    if number == 3 and not identifier:  # MQTT 3.1 has no server that chooses one
        identifier = f"mqttwin-{os.getpid()}"
    if keep and not identifier:
        raise ConfigError("a session needs a client identifier (-i)", key="-c")
    by_command = properties.parse(options["given"] or [])
    if number < 5 and (by_command or expiry is not None):
        raise ConfigError("properties need MQTT 5.0", key="-D" if by_command else "-x")
    connect = dict(by_command.get("connect", {}))
    arguments: dict[str, Any] = {
        "unix": options["unix"],
        "version": number,
        "client_id": identifier or "",
        "keep_alive": options["keep_alive"],
        "username": user if user is not None else target.username,
        "password": password if password is not None else target.password,
        "auth": options["auth"],
        "clean_start": not keep,
        "session_expiry": _expiry(expiry),
        "will": _will(options),
        "will_properties": by_command.get("will") or None,
        "tls": tls,
        "timeout": 30,
    }
    for name, argument in properties.CONNECT_ARGUMENTS.items():
        if name in connect:
            arguments[argument] = connect.pop(name)
    arguments["properties"] = connect
    # Without an expiry, MQTT 5.0 would end at the connection's end what -c wants to keep.
    if keep and number == 5 and expiry is None and not arguments["session_expiry"]:
        arguments["session_expiry"] = NEVER_EXPIRES
    if tls is None and target.tls:
        arguments["tls"] = True
    return Connection(target, by_command, arguments, options["debug"])


def _will(options: Mapping[str, Any]) -> Message | None:
    topic, payload = options["will_topic"], options["will_payload"]
    if topic is None:
        if payload is not None or options["will_qos"] or options["will_retain"]:
            raise ConfigError("a will needs a topic", key="--will-topic")
        return None
    return Message(topic, (payload or "").encode(), options["will_qos"], options["will_retain"])


def _tls(options: Mapping[str, Any]) -> ssl.SSLContext | None:
    """A context, where any of the options asks for TLS."""
    cafile, capath, certificate, key = (options[k] for k in ("cafile", "capath", "cert", "key"))
    if not any((cafile, capath, certificate, key, options["insecure"], options["os_certs"])):
        return None
    if (certificate is None) != (key is None):
        raise ConfigError("a certificate and its key go together", key="--cert")
    try:
        context = ssl.create_default_context(cafile=cafile, capath=capath)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(error.strerror or str(error), key="TLS") from None
    if options["insecure"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _expiry(text: str | None) -> int:
    if text is None:
        return 0
    if text.lower() in ("infinity", "inf", "∞", "never"):
        return NEVER_EXPIRES
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value <= NEVER_EXPIRES:
        raise ConfigError(f"{text!r} is not a number of seconds, nor infinity", key="-x")
    return value
