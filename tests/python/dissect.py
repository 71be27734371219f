"""What tshark makes of a capture."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

# Where everything has been installed on purpose, nothing is left out silently.
STRICT = bool(os.environ.get("MQTTWIN_INTEROP_STRICT") or os.environ.get("CI"))

PREFERENCES = {
    "ip.check_checksum": "TRUE",
    "tcp.check_checksum": "TRUE",
    # Not so by default: what arrives after a loss would be dissected from the middle of a packet.
    "tcp.reassemble_out_of_order": "TRUE",
}
# Whatever a reader may call a segment whose numbers it has seen before.
AGAIN = (
    "tcp.analysis.retransmission",
    "tcp.analysis.fast_retransmission",
    "tcp.analysis.spurious_retransmission",
    "tcp.analysis.out_of_order",
)


def need(condition: object, what: str) -> None:
    """Skips, or fails where nothing may be left out."""
    if condition:
        return
    if STRICT:
        pytest.fail(f"{what} is missing", pytrace=False)
    pytest.skip(f"{what} is missing")


def tshark(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs it on a file, whatever it thinks of it."""
    need(shutil.which("tshark"), "tshark")
    command = ["tshark", "-r", str(path), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def dissect(path: Path, *fields: str, where: str = "") -> list[dict[str, str]]:
    """The fields of the frames that a display filter lets through; several values with commas."""
    arguments = ["-n", "-T", "fields", "-E", "occurrence=a"]
    for name, value in PREFERENCES.items():
        arguments += ["-o", f"{name}:{value}"]
    if where:
        arguments += ["-Y", where]
    for field in fields:
        arguments += ["-e", field]
    done = tshark(path, *arguments)
    assert done.returncode == 0, done.stderr
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in done.stdout.splitlines()]


def frames(path: Path, where: str) -> list[int]:
    """The numbers of the frames that a display filter lets through."""
    return [int(row["frame.number"]) for row in dissect(path, "frame.number", where=where)]


def packet_types(path: Path, where: str = "mqtt") -> Counter[int]:
    """How many control packets of each type were dissected."""
    rows = dissect(path, "mqtt.msgtype", where=where)
    return Counter(int(one) for row in rows for one in row["mqtt.msgtype"].split(","))


def complaints(path: Path) -> list[int]:
    """Frames that are malformed, or whose checksums are wrong, or were not checked."""
    wrong = "ip.checksum.status != 1 || tcp.checksum.status != 1"
    return frames(path, f"_ws.malformed || {wrong} || !tcp || _ws.unreassembled")
