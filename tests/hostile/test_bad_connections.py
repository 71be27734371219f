"""Bad connections, very many, one after another: memory is flat, and the bystanders are served."""

from __future__ import annotations

import socket
from typing import Any

from conformance.packets import connect, publish, subscribe, to, varint, will

import mqttwin as mt

from .arena import DEADLINE, allow_many_files, arena_on

MIB = 1 << 20
VIRTUAL = 1_000_000
LIVE = 20_000

_HELLO = connect("bad").encode(5)
# What is sent, and how the connection ends then: None leaves it to the broker.
BAD: list[tuple[bytes, str | None]] = [
    (b"", "close"),
    (b"", "abort"),
    (b"\x10", "close"),
    (_HELLO[:7], "abort"),
    (b"GET / HTTP/1.0\r\n\r\n", "close"),
    (b"\x10" + varint(268_435_455), None),
    (b"\x10\xff\xff\xff\xff", None),
    (b"\0\0", None),
    (b"\xc0\0", None),
    (connect("bad", connect_flags=3).encode(4), None),
    (connect("bad", level=9).encode(5), None),
    (_HELLO + b"\x10\0", None),
    (_HELLO + publish("t", b"x" * 300, 3).encode(5), None),
    (_HELLO + publish("t", b"x" * 300, 1, 9, topic_alias=3).encode(5)[:200], "abort"),
    (_HELLO + publish("q", b"x", 2, 9).encode(5), "abort"),
    (_HELLO + subscribe(1, [to("bad/#", 1), to("$share/g/bad", 1)]).encode(5), "abort"),
    (connect("", will=will("bad/will", b"gone")).encode(5) + b"\xf0\x01\x77", None),
    (_HELLO + _HELLO, None),
]


def test_bad_connections_a_million_virtual() -> None:
    """In batches, each end used again: a million connections in all."""
    batch = 18 * 500
    # The broker keeps a note of each connection until its time for CONNECT would have been over.
    with arena_on("virtual", connect_timeout="200ms") as arena:
        core = arena.backend.core
        number = arena.backend.world.brokers["broker"]._number
        group = core.add_peers("bad", batch, number, mt._core.LinkSpec())
        plan = [BAD[i % len(BAD)] for i in range(batch)]
        memory: list[tuple[int, dict[str, int]]] = []
        count = 0
        while count < VIRTUAL:
            for i in range(batch):
                core.peer_open(group, i)
            core.run(core.now + 10_000_000, 60_000)
            for i, (raw, ending) in enumerate(plan):
                if raw:
                    core.peer_send(group, i, raw)
                if ending == "close":
                    core.peer_close(group, i)
            core.run(core.now + 10_000_000, 60_000)
            for i, (_, ending) in enumerate(plan):
                if ending == "abort":
                    core.peer_abort(group, i)
            core.run(core.now + 10_000_000, 60_000)
            assert core.peer_state(group, 5) == "closed"
            count += batch
            if count // batch % 10 == 1:
                arena.bystanders.served()
                memory.append((arena.backend.memory(), core.memory()))
        states = {core.peer_state(group, i) for i in range(batch)}
        assert states <= {"closed", "reset"}
    # The queue keeps a timer of TCP until its time would have come, a SYN-ACK's for a second;
    # a batch takes 20 ms.
    (first, of_world), (last, of_world_now) = memory[6], memory[-1]
    assert last - first < 8 * MIB
    assert sum(of_world_now.values()) - sum(of_world.values()) < MIB


def test_bad_connections_twenty_thousand_live() -> None:
    """Over TCP, some at a time; the server has no more memory and no more files afterwards."""
    allow_many_files()
    at_a_time = 18 * 5
    with arena_on("tcp", alone=True) as arena:
        address = arena.backend.address
        memory: list[int] = []
        count = 0
        while count < LIVE:
            _bad_sockets(address, at_a_time)
            count += at_a_time
            if count // at_a_time % 20 == 1:
                arena.bystanders.served()
                memory.append(arena.backend.memory())
        arena.wait(lambda: _quiet(arena), "the server's end of all of them")
    assert memory[-1] - memory[1] < 4 * MIB


def _bad_sockets(address: Any, count: int) -> None:
    links = []
    for i in range(count):
        link = socket.create_connection(address, timeout=DEADLINE)
        links.append((link, *BAD[i % len(BAD)]))
        if links[-1][1]:
            link.sendall(links[-1][1])
    for link, _, ending in links:
        if ending == "abort":
            link.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, (1).to_bytes(4, "little") + bytes(4)
            )
        elif ending is None:
            _until_closed(link)
        link.close()


def _until_closed(link: socket.socket) -> None:
    """The broker ends it."""
    try:
        while link.recv(4096):
            pass
    except ConnectionResetError:
        pass


def _quiet(arena: Any) -> bool:
    arena.bystanders.served()
    return bool(arena.backend.files() < 40)
