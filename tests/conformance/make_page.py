"""Writes docs/conformance.md: `python tests/conformance/make_page.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from conformance import table

if __name__ == "__main__":
    (table.ROOT / "docs" / "conformance.md").write_text(table.page())
