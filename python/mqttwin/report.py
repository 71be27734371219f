"""The report of a run: sections of aligned rows, as text here and as HTML in `html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import units
from .latency import Latency
from .limits import ended_early
from .progress import speed_up
from .units import format_bytes, format_duration, format_share

if TYPE_CHECKING:
    from .result import Result


@dataclass
class Section:
    """A heading and a table: labels to the left, figures to the right.

    Attributes:
        title: Of the section; it stands in the first column's heading.
        columns: Headings of the other columns.
        rows: A label and one text a column each; a label that begins with two spaces belongs to
            the row above.
        last_left: Whether the last column is a remark, aligned to the left.
    """

    title: str
    columns: Sequence[str] = ()
    rows: list[Sequence[str]] = field(default_factory=list)
    last_left: bool = False

    def add(self, label: str, *cells: str) -> None:
        """Adds a row."""
        self.rows.append((label, *cells))


def sections_of(result: Result) -> list[Section]:
    """Everything that a report says, in order."""
    return [
        _run(result),
        _messages(result),
        _latency(result),
        _connections(result),
        _traffic(result),
        _conservation(result),
    ]


def _run(result: Result) -> Section:
    info = result.info
    section = Section("Run", columns=("",), last_left=True)
    virtual = format_duration(info.virtual_ns)
    if result.stopped:
        virtual += f" ({ended_early(result.stopped)})"
    section.add("virtual time", virtual)
    if info.wall_seconds > 0:
        speed = speed_up(result.duration / info.wall_seconds)
        section.add("real time", f"{format_duration(1e9 * info.wall_seconds)} ({speed})")
    section.add("seed", str(info.seed))
    for name, value in info.parameters.items():
        section.add(name, str(value))
    for name, (_, count) in info.fleets.items():
        layers = info.layers.get(name, "")
        over = f"{info.links[name]}, {layers}" if layers else str(info.links[name])
        section.add(f"fleet {name}", f"{count:,} over {over}")
    section.add("digest", result.digest)
    return section


def _messages(result: Result) -> Section:
    c = result.counts
    section = Section("Messages", columns=("", "", ""), last_left=True)
    offered = result.offered
    section.add("published by devices", f"{offered:,}", "", "")
    section.add("routed by the broker", f"{result.published:,}", "", "")
    if c.get("rerouted"):
        section.add("  of them twice", f"{c['rerouted']:,}", "", "sent again after a reconnect")
    if result.total("unsent"):
        _reasons(section, result, "unsent", "never got there", offered, "of published")
    if result.waiting:
        section.add("still with devices", f"{result.waiting:,}", "", "")
    section.add("matched no subscription", f"{c['unmatched']:,}", "", "")
    balance = result.conservation
    section.add("deliveries owed", f"{balance.expected:,}", "", "")
    section.add(
        "delivered",
        f"{balance.delivered:,}",
        format_share(balance.delivered, balance.expected),
        "of owed",
    )
    if balance.delivered:
        late = f"later than {format_duration(result.info.late_after_ns)}"
        share = format_share(result.late, balance.delivered)
        section.add("  late", f"{result.late:,}", share, late)
    section.add("duplicates", f"{result.duplicates:,}", "", "")
    if c["replays"]:
        section.add("retained, replayed", f"{c['replays']:,}", "", "")
    _reasons(section, result, "dropped", "dropped", balance.expected, "of owed")
    return section


def _reasons(
    section: Section, result: Result, family: str, label: str, of: int, remark: str
) -> None:
    total = result.total(family)
    section.add(label, f"{total:,}", format_share(total, of), remark)
    for name, count in sorted(result.counts.items()):
        if name.startswith(family + ".") and count:
            section.add("  " + name.partition(".")[2].replace("_", " "), f"{count:,}", "", "")


def _latency(result: Result) -> Section:
    section = Section("Latency", columns=("count", "mean", "p50", "p90", "p99", "p99.9", "max"))
    for label, latency in latencies(result):
        if latency.count == 0:
            section.add(label, "0", *("–" for _ in range(6)))
            continue
        figures = (
            latency.mean,
            latency.p50,
            latency.p90,
            latency.p99,
            latency.p99_9,
            latency.max,
        )
        section.add(label, f"{latency.count:,}", *(format_duration(1e9 * x) for x in figures))
    return section


def latencies(result: Result) -> list[tuple[str, Latency]]:
    """The three latencies with the names that people see."""
    return [
        ("device to broker", result.ingest),
        ("device to subscriber", result.latency),
        ("until acknowledged", result.ack),
    ]


def _connections(result: Result) -> Section:
    c = result.counts
    section = Section("Connections", columns=("", ""), last_left=True)
    section.add("connects", f"{c['connects']:,}", "")
    section.add("  of them again", f"{c['reconnects']:,}", "")
    section.add("  sessions resumed", f"{c['sessions_resumed']:,}", "")
    section.add("attempts that failed", f"{c['connects_failed']:,}", "not reached, or timed out")
    section.add("attempts refused", f"{c['connects_refused']:,}", "")
    section.add("disconnects", f"{result.total('disconnects'):,}", "as the clients saw it")
    for name, count in sorted(c.items()):
        if name.startswith("disconnects.") and count:
            section.add("  " + name.partition(".")[2].replace("_", " "), f"{count:,}", "")
    if c["keep_alive_timeouts"]:
        section.add("keep-alive ran out", f"{c['keep_alive_timeouts']:,}", "at either end")
    if c["protocol_faults"]:
        section.add("protocol faults", f"{c['protocol_faults']:,}", "")
    return section


def _traffic(result: Result) -> Section:
    c = result.counts
    section = Section("Traffic", columns=("up", "down"))
    for label, name in (("payload", "payload"), ("MQTT", "mqtt"), ("TCP/IP", "ip")):
        section.add(label, *(format_bytes(c[f"{name}_bytes_{way}"]) for way in ("up", "down")))
    for label, name in (("MQTT packets", "mqtt"), ("IP packets", "ip")):
        section.add(label, *(f"{c[f'{name}_packets_{way}']:,}" for way in ("up", "down")))
    if c["ip_packets_lost"]:
        section.add("IP packets lost", "", f"{c['ip_packets_lost']:,}")
    if c["retransmissions"]:
        section.add("MQTT packets sent again", "", f"{c['retransmissions']:,}")
    devices = sum(count for _, count in result.info.fleets.values())
    days = result.info.virtual_ns / (86400 * units.SECOND)
    if devices and days:
        daily = (c[f"ip_bytes_{way}"] / devices / days for way in ("up", "down"))
        section.add("TCP/IP, a device and day", *(format_bytes(count) for count in daily))
    return section


def _conservation(result: Result) -> Section:
    balance = result.conservation
    section = Section("Conservation", columns=("",), last_left=True)
    section.add("holds" if balance.holds else "VIOLATED", str(balance))
    return section


# --- text ---------------------------------------------------------------------------------------


def to_text(sections: Sequence[Section]) -> str:
    """Sections as plain text: figures aligned, nothing longer than it needs to be."""
    return "\n\n".join(_section_text(section) for section in sections if section.rows) + "\n"


def _section_text(section: Section) -> str:
    rows = [(section.title, *section.columns), *(("  " + row[0], *row[1:]) for row in section.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    widths[0] = max(widths[0], 26)
    last = len(widths) - 1 if section.last_left else len(widths)
    lines = []
    for row in rows:
        cells = [
            cell.ljust(widths[i]) if i in (0, last) else cell.rjust(widths[i])
            for i, cell in enumerate(row)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
