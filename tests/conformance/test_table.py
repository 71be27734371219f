"""Every statement has a disposition, and what the table says of it is true."""

from __future__ import annotations

from collections import Counter

import pytest

from . import table
from .suite import LEVELS, claims_of


def test_statements_of_the_table_are_in_order() -> None:
    known = table.tests()
    wrong = [f"{s} {p}" for s in table.statements() for p in table.problems(s, known)]
    assert not wrong, "\n".join(wrong)


def test_no_statement_is_there_twice() -> None:
    counts = Counter((s.version, s.id) for s in table.statements())
    assert not [key for key, count in counts.items() if count > 1]


@pytest.mark.parametrize("version", LEVELS)
def test_every_statement_has_a_disposition(version: str) -> None:
    there = {s.id for s in table.statements() if s.version == version}
    missing = [id for id in table.normative(version) if id not in there]
    assert not missing, f"{len(missing)} statements of {version} have none: {', '.join(missing)}"


def test_no_claim_is_missing_from_the_table() -> None:
    there = {(s.version, s.id, test) for s in table.statements() for test in s.tests}
    claims = [(c.version, c.id, name) for name, t in table.tests().items() for c in claims_of(t)]
    assert not [claim for claim in claims if claim not in there]


def test_page_is_up_to_date() -> None:
    page = table.ROOT / "docs" / "conformance.md"
    assert page.read_text() == table.page(), "run: python tests/conformance/make_page.py"
