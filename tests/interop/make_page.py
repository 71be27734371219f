"""Writes docs/interoperability.md: `python tests/interop/make_page.py`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from interop import page

if __name__ == "__main__":
    page.PAGE.write_text(page.page())
