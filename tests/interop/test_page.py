"""What the documentation says is what the tests do."""

from __future__ import annotations

from .page import PAGE, page


def test_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python tests/interop/make_page.py"
