"""TLS over TCP: bytes and packets, durations of handshakes, MQTT sessions on the wire.

Inputs that belong to the measurement and not to the model, stated here:

* the sizes of its certificates. They are not recorded; sums of what each side sends show them, to
  a byte or two where a certificate carries an ECDSA signature;
* how long its host computes, from the cells without loss: a median for each kind of handshake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from cells import OVERSAMPLE, RIG_HOP, Row, Run, grouped, is_tail, numbers, one_each, rows, values
from compare import Verdict, compare

KINDS = {"ec": "p256", "rsa": "rsa2048"}
# The leaf, and behind it nothing, an intermediate (which signed another leaf), or the root.
CERTIFICATES = {
    "ec": {"0": (560,), "1": (567, 504), "2": (560, 477)},
    "rsa": {"0": (956,), "1": (963, 903), "2": (956, 875)},
}
BYTES_A_SIGNATURE = 2
INSIDE = 0.95  # of simulated connections, in the measured range
FLOWS = 200

Kind = tuple[str, str, str, str, str]  # version, key, auth, chain, resumed


def ecdsa_signatures(key: str, auth: str, chain: str, version: str) -> dict[str, int]:
    """Signatures of varying length that each side sends: in certificates and over the handshake;
    a ticket holds the client's certificate."""
    if key != "ec" or auth == "resumed":
        return {"c2s": 0, "s2c": 0}
    shown = len(CERTIFICATES[key][chain]) + 1
    tickets = 2 if version == "1.3" else 1
    mutual = auth == "mutual"
    return {"c2s": shown if mutual else 0, "s2c": shown + (tickets if mutual else 0)}


def options_of(version: str, key: str, auth: str, chain: str, resumed: str) -> dict[str, object]:
    sizes = "+".join(map(str, CERTIFICATES[key][chain]))
    return {
        "version": version,
        "key": KINDS[key],
        "chain": sizes,
        "client_chain": sizes,
        "mutual": int(auth == "mutual"),
        "resumed": int(resumed == "1" or auth == "resumed"),
    }


def tls_bytes(truth: Path, run: Run) -> Iterator[Verdict]:
    keys = ("tls", "key", "auth", "chain_with_intermediate")
    for (version, key, auth, chain), group in grouped(rows(truth, "tls_bytes"), *keys).items():
        options = options_of(version, key, auth, chain, "0")
        model = numbers(run("tls", {"mode": "bytes", "flows": FLOWS, **options}))
        verdict = Verdict(f"bytes, TLS {version}, {key}, {auth}, chain {chain}")
        columns = [
            f"{phase}_{way}_{what}"
            for phase in ("hs", "conn")
            for way in ("c2s", "s2c")
            for what in ("pkts", "ip_bytes", "tcp_payload")
        ]
        slack = ecdsa_signatures(key, auth, chain, version)
        notes = []
        for k, column in enumerate(columns):
            measured, simulated = values(group, column), model[:, k]
            allowed = 0.0
            if not column.endswith("pkts") and column.startswith("hs"):
                allowed = BYTES_A_SIGNATURE * slack[column[3:6]]
            low, high = measured.min() - allowed, measured.max() + allowed
            # Not all of them: one signature in a hundred is shorter still, and a ticket may need
            # one more block of its cipher, which six connections show or not.
            inside = float(np.mean((simulated >= low) & (simulated <= high)))
            middle = float(np.median(simulated))
            if inside < (1.0 if column.endswith("pkts") else INSIDE):
                verdict.failures.append(
                    f"{column} {measured.min():.0f}-{measured.max():.0f} / {middle:.0f}"
                )
            if column.startswith("hs") and not column.endswith("ip_bytes"):
                notes.append(f"{np.median(measured):.0f}/{middle:.0f}")
        verdict.note = " ".join(notes)
        yield verdict


def kind_of(row: Row) -> Kind:
    return (
        row["tls"],
        row["key"],
        row["auth"],
        row["chain_with_intermediate"],
        row["resumed"],
    )


def computing(table: list[Row]) -> Callable[[Kind], tuple[float, float]]:
    """Milliseconds of computing before the client's last flight and before CONNACK."""
    found: dict[Kind, list[tuple[float, float]]] = {}
    for row in table:
        if float(row["loss_pct"]) > 0:
            continue
        kind = kind_of(row)
        trip = float(row["rtt_ms"]) + 2 * RIG_HOP / 1e3
        trips = 2 if kind[0] == "1.2" and kind[4] == "0" else 1
        found.setdefault(kind, []).append(
            (
                float(row["tls_handshake_ms"]) - trips * trip,
                float(row["connack_over_tls_ms"]) - trip,
            )
        )

    def look_up(kind: Kind) -> tuple[float, float]:
        # A kind that was not measured without loss: all that agree with it on version and auth.
        some = found.get(kind) or [
            pair
            for other, pairs in found.items()
            for pair in pairs
            if (other[0], other[2]) == (kind[0], kind[2])
        ]
        if not some:
            return 0.0, 0.0
        client, server = np.median(np.array(some), axis=0)
        return max(0.0, float(client)), max(0.0, float(server))

    return look_up


def tls_handshake(truth: Path, run: Run) -> Iterator[Verdict]:
    table = rows(truth, "tls_handshake")
    compute = computing(table)
    keys = ("rtt_ms", "loss_pct", "tls", "key", "auth", "chain_with_intermediate", "resumed")
    for (rtt, loss, *rest), group in grouped(table, *keys).items():
        version, key, auth, chain, resumed = rest
        client, server = compute((version, key, auth, chain, resumed))
        options = {
            "mode": "handshake",
            "rtt": rtt,
            "loss": loss,
            "flows": OVERSAMPLE * len(group),
            "compute_client": round(client, 3),
            "compute_server": round(server, 3),
            **options_of(version, key, auth, chain, resumed),
        }
        model = numbers(run("tls", options))
        for k, column in enumerate(("tcp_connect_ms", "tls_handshake_ms", "connack_over_tls_ms")):
            yield compare(
                f"{column[:-3]}, TLS {version}, {key}, {auth}, chain {chain}, {rtt} ms, {loss} %",
                one_each(values(group, column)),
                model[:, k],
                tail=is_tail(loss),
            )


def packets_before_the_end(sequence: str) -> list[str]:
    """Up to DISCONNECT and close_notify; behind them a reset races with a FIN."""
    parts = sequence.split()
    last = max(k for k, part in enumerate(parts) if part.startswith(">PA"))
    return parts[: last + 1]


def same_packets(measured: list[str], simulated: list[str]) -> bool:
    """The same packets in the same order; the flight with signatures, give some bytes."""
    if len(measured) != len(simulated):
        return False
    for one, other in zip(measured, simulated, strict=True):
        kind, other_kind = one.rstrip("0123456789"), other.rstrip("0123456789")
        size, other_size = int(one[len(kind) :]), int(other[len(other_kind) :])
        varies = size > 900 and kind.startswith("<")
        if kind != other_kind or abs(size - other_size) > (6 if varies else 0):
            return False
    return True


def tls_wire(truth: Path, run: Run) -> Iterator[Verdict]:
    table = [row for row in rows(truth, "wire_overhead") if row["transport"] != "plain"]
    for (transport, case, gap), group in grouped(table, "transport", "case", "gap_ms").items():
        version, key = transport.removeprefix("tls").split("_")
        options = options_of(f"{version[0]}.{version[1]}", key, "server", "1", "0")
        text = run("tls", {"mode": "wire", "case": case, "gap": gap, **options})
        model = dict(line.split(",", 1) for line in text.splitlines())
        verdict = Verdict(f"wire, {transport}, {case}, gap {gap} ms")
        for row in group:
            phase = row["phase"]
            counts = [int(part) for part in model.get(phase, "0,0,0,0,0,0").split(",")]
            columns = [
                f"{way}_{what}" for way in ("c2s", "s2c") for what in ("pkts", "tcp_payload")
            ]
            simulated = dict(
                zip(columns, (counts[0], counts[2], counts[3], counts[5]), strict=True)
            )
            slack = BYTES_A_SIGNATURE * ecdsa_signatures(key, "server", "1", "1.3")["s2c"]
            for column in columns:
                difference = abs(int(row[column]) - simulated[column])
                if column.endswith("pkts") and phase in ("disconnect", "TOTAL"):
                    continue
                if difference > (slack if column == "s2c_tcp_payload" else 0):
                    verdict.failures.append(f"{phase} {column} {row[column]} / {simulated[column]}")
            if phase == "TOTAL":
                verdict.note = (
                    f"{row['c2s_tcp_payload']}/{row['s2c_tcp_payload']} and "
                    f"{simulated['c2s_tcp_payload']}/{simulated['s2c_tcp_payload']}"
                )
                if not same_packets(
                    packets_before_the_end(row["packet_sequence"]),
                    packets_before_the_end(model["sequence"]),
                ):
                    verdict.failures.append("sequence")
        yield verdict


TLS_FAMILIES: dict[str, Callable[[Path, Run], Iterator[Verdict]]] = {
    "TLS bytes": tls_bytes,
    "TLS handshake": tls_handshake,
    "TLS wire": tls_wire,
}
