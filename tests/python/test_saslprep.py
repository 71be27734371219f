"""SASLprep against the standard library, which has the tables of RFC 3454 and Unicode 3.2."""

import importlib.util
import random
import stringprep
import unicodedata
from unicodedata import ucd_3_2_0 as ucd

import pytest

from conftest import ROOT
from mqttwin._core import saslprep

HERE = ROOT / "cpp" / "src" / "auth"
# All up to the planes that are empty or private, and of those what is near a border and a sample.
CHARACTERS = [
    chr(c)
    for c in range(0x110000)
    if not 0xD800 <= c <= 0xDFFF
    and (c < 0x30000 or 0xDFF00 <= c < 0xE0200 or c % 251 == 0 or c % 0x10000 >= 0xFFF0)
]
ASSIGNED = [c for c in CHARACTERS if ucd.category(c) != "Cn"]
PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def prohibited(c: str) -> bool:
    return any(table(c) for table in PROHIBITED)


def by_python(text: str, *, stored: bool) -> str | None:
    """RFC 4013 step by step; None: it is refused."""
    mapped = "".join(
        " " if stringprep.in_table_c12(c) else "" if stringprep.in_table_b1(c) else c for c in text
    )
    out = ucd.normalize("NFKC", mapped)
    if any(prohibited(c) for c in out):
        return None
    if stored and any(stringprep.in_table_a1(c) for c in out):
        return None
    right = [stringprep.in_table_d1(c) for c in out]
    if any(right):
        left = any(stringprep.in_table_d2(c) for c in out)
        if left or not right[0] or not right[-1]:
            return None
    return out


def by_core(text: str, *, stored: bool) -> str | None:
    try:
        return saslprep(text, stored=stored)
    except ValueError:
        return None


def test_every_character_alone():
    for stored in (True, False):
        differing = [
            hex(ord(c))
            for c in CHARACTERS
            if by_core(c, stored=stored) != by_python(c, stored=stored)
        ]
        assert differing == []


def test_every_character_that_is_composed_or_ordered():
    """Whatever takes part in normalisation, in pairs with whatever could take part in its."""
    marks = [c for c in ASSIGNED if ucd.combining(c)]
    one_a_class = sorted({ucd.combining(c): c for c in marks}.values())
    for first in (c for c in ASSIGNED if unicodedata.is_normalized("NFD", c) is False):
        for second in one_a_class:
            text = first + second
            assert by_core(text, stored=False) == by_python(text, stored=False), ascii(text)
    for mark in marks:
        for other in one_a_class:
            for text in ("a" + mark + other, mark + "e" + other + mark):
                assert by_core(text, stored=False) == by_python(text, stored=False), ascii(text)


def test_every_pair_that_unicode_composes():
    for composite in ASSIGNED:
        parts = ucd.decomposition(composite).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            pair = "".join(chr(int(part, 16)) for part in parts)
            assert by_core(pair, stored=True) == by_python(pair, stored=True), ascii(pair)


@pytest.mark.parametrize("seed", range(8))
def test_random_texts(seed):
    draw = random.Random(seed)
    marks = [c for c in ASSIGNED if ucd.combining(c)]
    changing = [c for c in ASSIGNED if ucd.normalize("NFKD", c) != c]
    jamo = [chr(c) for c in range(0x1100, 0x1200)] + ["\uac00", "\ud7a3", "\uac01"]
    decomposed = [list(ucd.normalize("NFKD", c)) for c in changing]
    # Not what is prohibited: hardly a text would be without it.
    kinds = [
        [c for c in ASSIGNED if not prohibited(c)],
        marks,
        changing,
        jamo,
        [c for text in decomposed for c in text],
        list("aeiou nAEIOU 019"),
    ]
    refused = 0
    for _ in range(5000):
        kind = draw.choice(kinds)
        text = "".join(
            draw.choice(kind if draw.random() < 0.6 else draw.choice(kinds))
            for _ in range(draw.randrange(1, 9))
        )
        expected = by_python(text, stored=True)
        refused += expected is None
        assert by_core(text, stored=True) == expected, ascii(text)
        assert by_core(text, stored=False) == by_python(text, stored=False), ascii(text)
    assert 0 < refused < 4000


def test_the_tables_are_what_their_generator_makes():
    spec = importlib.util.spec_from_file_location("tables", HERE / "make_unicode_tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    table = HERE / "unicode_tables.hpp"
    assert table.read_text(encoding="ascii") == module.generate()
    assert table.stat().st_size < 200_000
