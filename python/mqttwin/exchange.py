"""The packets that clients and brokers exchanged: a ladder for people, a diagram for documents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import units
from .spy import shown

_ENDINGS = {
    "itself": "closes the connection",
    "peer": "sees the other side close the connection",
    "reset": "sees a reset",
    "time_out": "gives the connection up (TCP time-out)",
    "fault": "loses the connection to a fault",
}
_ARROW = 26


@dataclass(frozen=True)
class Packet:
    """A control packet between a client and a broker, or what became of the connection.

    Attributes:
        sent: When it was written, in seconds of virtual time; None where only the arrival is
            known (a real client).
        arrived: When it was read at the other end; None: not (yet).
        client: The client identifier, where there was a CONNECT, or what else tells it apart.
        direction: "up" is from the client to the broker, "down" the other way; of an event, "down"
            is the client's end.
        kind: "packet", "opened" or "ended".
        fate: "arrived", "under way", "in part" or "lost".
        name: "CONNECT", "PUBLISH" …
        size: In bytes.
        arrived_bytes: So many of them, so far.
        fields: What it says: ``"topic"``, ``"packet_id"``, ``"reason"`` …
        real: Whether the client is a real one.
    """

    sent: float | None
    arrived: float | None
    client: str
    real: bool
    direction: str
    kind: str
    fate: str
    name: str
    size: int
    arrived_bytes: int
    fields: dict[str, Any] = field(repr=False)

    @property
    def time(self) -> float:
        """When it was sent, or else arrived."""
        return self.sent if self.sent is not None else self.arrived or 0.0

    @property
    def summary(self) -> str:
        """The key fields in one line."""
        if self.kind == "opened":
            return "the connection is open"
        end = "client" if self.direction == "down" else "broker"
        if self.kind == "ended":
            return f"the {end} {_ENDINGS[self.fields['by']]}"
        if "malformed" in self.fields:
            return f"malformed: {self.fields['malformed']}"
        return ", ".join(_parts(self.name, self.fields))


def _parts(name: str, fields: dict[str, Any]) -> list[str]:
    if name == "CONNECT":
        return _connect(fields)
    out = []
    if name == "CONNACK":
        out.append(_reason(fields["reason"]))
        out.append("session present" if fields["session_present"] else "no session")
    elif name == "PUBLISH":
        out += [fields["topic"] or "(alias)", f"QoS {fields['qos']}"]
        out += [word for word in ("retain", "dup") if fields[word]]
    if "packet_id" in fields:
        out.append(f"id {fields['packet_id']}")
    if name == "PUBLISH":
        payload = shown(fields["payload"])
        size = fields["payload_bytes"]
        out.append(f"{size:,} bytes" if size > 24 else payload)
    elif "filters" in fields:
        out += [f if isinstance(f, str) else f"{f[0]} (QoS {f[1]})" for f in fields["filters"]]
    elif "reasons" in fields:
        out += [f"0x{reason:02X}" for reason in fields["reasons"]]
    elif "reason" in fields and name != "CONNACK" and (fields["reason"] or name == "DISCONNECT"):
        out.append(_reason(fields["reason"]))
    return out


def _connect(fields: dict[str, Any]) -> list[str]:
    out = [f"keep-alive {fields['keep_alive']} s"]
    if fields["version"] < 5:
        out.append({3: "MQTT 3.1", 4: "MQTT 3.1.1"}[fields["version"]])
    if fields["clean_start"]:
        out.append("clean start")
    expiry = fields["properties"].get("session_expiry_interval")
    if expiry is not None:
        out.append(f"session {expiry} s")
    if "will_topic" in fields:
        out.append(f"will {fields['will_topic']}")
    return out


def _reason(code: int) -> str:
    return "success" if code == 0 else f"reason 0x{code:02X}"


class Exchange(Sequence[Packet]):
    """Packets in the order in which they were sent; made by `World.exchange`."""

    def __init__(self, packets: Sequence[Packet], before: int = 0) -> None:
        self._packets = packets
        self.before = before

    def __len__(self) -> int:
        return len(self._packets)

    def __iter__(self) -> Iterator[Packet]:
        return iter(self._packets)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Exchange(self._packets[index])
        return self._packets[index]

    def of(self, client: str) -> Exchange:
        """Those of one client."""
        return Exchange([p for p in self._packets if p.client == client])

    def around(self, time: float, seconds: float = 60.0) -> Exchange:
        """Those within so many seconds of an instant."""
        return Exchange([p for p in self._packets if abs(p.time - time) <= seconds])

    def ladder(self, last: int | None = None) -> str:
        """Lines for people: when, who, which packet to where, when it arrived, and key fields.

        Args:
            last: Only so many, the latest.
        """
        packets = list(self._packets)
        before = self.before
        if last is not None and len(packets) > last:
            before += len(packets) - last
            packets = packets[-last:]
        if not packets:
            return "no packet was exchanged"
        width = max(len(p.client) for p in packets)
        lines = [f"… {before:,} before"] if before else []
        lines += [_line(p, width) for p in packets]
        return "\n".join(lines)

    def mermaid(self, last: int | None = 200) -> str:
        """A Mermaid sequence diagram (https://mermaid.js.org/syntax/sequenceDiagram.html)."""
        packets = self._packets if last is None else self._packets[-last:]
        names = list(dict.fromkeys(p.client for p in packets))
        lines = ["sequenceDiagram"]
        lines += [f"    participant c{i} as {_plain(name)}" for i, name in enumerate(names)]
        lines.append("    participant b as broker")
        for p in packets:
            client = f"c{names.index(p.client)}"
            text = _plain(f"{p.time:.3f} s {p.name} {p.summary}".replace("  ", " "))
            if p.kind != "packet":
                where = client if p.direction == "down" else "b"
                lines.append(f"    Note over {where}: {text}")
                continue
            ends = (client, "b") if p.direction == "up" else ("b", client)
            arrow = "-x" if p.fate in ("lost", "in part") else "->>"
            lines.append(f"    {ends[0]}{arrow}{ends[1]}: {text}")
        return "\n".join(lines) + "\n"

    def __str__(self) -> str:
        return self.ladder()

    def __repr__(self) -> str:
        return f"<Exchange of {len(self):,} packets>"


def _line(p: Packet, width: int) -> str:
    start = f"{p.time:12.3f} s  {p.client:<{width}}  "
    if p.kind != "packet":
        return f"{start}{f' {p.kind} ':·^{_ARROW}}{'':14}{p.summary}"
    label = f" {p.name} "
    lost = p.fate in ("lost", "in part")
    if p.direction == "up":
        arrow = f"{label:─^{_ARROW - 1}}{'✕' if lost else '▶'}"
    else:
        arrow = f"{'✕' if lost else '◀'}{label:─^{_ARROW - 1}}"
    return f"{start}{arrow}  {_arrival(p):<12}{p.summary}".rstrip()


def _arrival(p: Packet) -> str:
    if p.fate == "in part":
        return f"{p.arrived_bytes}/{p.size} bytes"
    if p.fate != "arrived" or p.arrived is None:
        return p.fate
    return "" if p.sent is None or p.real else f"{p.arrived:.3f} s"


def _plain(text: str) -> str:
    """What Mermaid takes as text: no line breaks, nothing that ends a statement."""
    return text.replace(";", ",").replace("#", "﹟").replace("\n", " ").strip()


def exchange_of(rows: list[tuple[Any, ...]], seen: int) -> Exchange:
    """The packets as the core gives them."""
    packets = []
    for sent, arrived, *rest in rows:
        packets.append(
            Packet(
                sent / units.SECOND if sent >= 0 else None,
                arrived / units.SECOND if arrived >= 0 else None,
                *rest,
            )
        )
    return Exchange(packets, before=max(0, seen - len(packets)))
