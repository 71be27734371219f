"""Names of hosts: getaddrinfo over a host's link."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any

from .hosts import Host, ip_text

SERVICES = {"mqtt": 1883, "secure-mqtt": 8883, "http": 80, "https": 443}
Info = tuple[int, int, int, str, tuple[str, int]]


def port_of(port: Any) -> int:
    """A port as a number.

    Raises:
        socket.gaierror: It is no service that is known.
    """
    if port is None:
        return 0
    if isinstance(port, bytes):
        port = port.decode()
    if isinstance(port, str) and not port.isdigit():
        if port not in SERVICES:
            raise socket.gaierror(socket.EAI_SERVICE, "Servname not supported for ai_socktype")
        return SERVICES[port]
    return int(port)


def numeric(host: Host, name: Any) -> str | None:
    """The address of a name for which nobody has to be asked."""
    if isinstance(name, bytes):
        name = name.decode()
    if name is None or name == "":
        return "127.0.0.1"
    try:
        return str(ipaddress.IPv4Address(name))
    except ValueError:
        return host.known(name)


def ask(host: Host, name: str, done: Callable[[str | Exception], None]) -> None:
    """Asks a name server; `done` gets the address, or what is raised."""

    def answered(address: int, timed_out: bool) -> None:
        if timed_out:
            done(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
        elif address < 0:
            done(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
        else:
            done(ip_text(address))

    scheduler = host.scheduler
    scheduler.questions[scheduler.core.ask_name(host.number, name)] = answered


def resolve(host: Host, name: Any) -> str:
    """The address of a name; waits for the answer."""
    known = numeric(host, name)
    if known is not None:
        return known
    scheduler = host.scheduler
    me = scheduler.here()
    answer: list[str | Exception] = []

    def done(value: str | Exception) -> None:
        answer.append(value)
        me.wake()

    ask(host, name.decode() if isinstance(name, bytes) else name, done)
    while not answer:
        scheduler.wait(None)
    if isinstance(answer[0], Exception):
        raise answer[0]
    return answer[0]


def infos(address: str, port: Any, family: int, kind: int, proto: int) -> list[Info]:
    """What getaddrinfo returns for an address."""
    if family not in (0, socket.AF_INET):
        raise socket.gaierror(socket.EAI_ADDRFAMILY, "Address family for hostname not supported")
    number = port_of(port)
    kinds = [(socket.SOCK_STREAM, socket.IPPROTO_TCP), (socket.SOCK_DGRAM, socket.IPPROTO_UDP)]
    return [
        (socket.AF_INET, k, p, "", (address, number))
        for k, p in kinds
        if kind in (0, k) and proto in (0, p)
    ]
