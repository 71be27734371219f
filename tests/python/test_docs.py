"""Documentation runs.

The ```` ```python ```` blocks of a page are executed in order, in one namespace. A block
```` ```text output ```` is what the block before it prints, where "…" stands for anything.
```` ```python skip ```` is not executed.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from conftest import ROOT

FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<info>[^\n`]*)\n(?P<body>.*?)^ *(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    info: list[str]
    body: str
    line: int


def blocks_of(text: str) -> list[Block]:
    out = []
    for match in FENCE.finditer(text):
        indent = len(match["indent"])
        body = "".join(line[indent:] for line in match["body"].splitlines(keepends=True))
        info = match["info"].strip("{} \t").split()
        out.append(Block(info, body, text.count("\n", 0, match.start()) + 2))
    return out


def run_page(path: Path) -> int:
    """Executes a page; how many blocks it had."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    count = 0
    for block in blocks_of(path.read_text(encoding="utf-8")):
        if block.info[:1] == ["python"] and "skip" not in block.info:
            count += 1
            # The traceback of what fails shows the page's own line.
            code = compile("\n" * (block.line - 1) + block.body, str(path), "exec")
            stream = io.StringIO()
            with contextlib.redirect_stdout(stream):
                exec(code, namespace)
            printed = stream.getvalue()
        elif block.info == ["text", "output"]:
            compare(path, block, printed)
    return count


def compare(path: Path, block: Block, printed: str) -> None:
    expected, got = (tidy(text) for text in (block.body.replace("…", "..."), printed))
    flags = doctest.ELLIPSIS
    if not doctest.OutputChecker().check_output(expected, got, flags):
        pytest.fail(f"{path}:{block.line}: prints\n{got}instead of\n{expected}", pytrace=False)


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines()) + "\n"


def pages() -> list[Path]:
    readme = ROOT / "README.md"
    found = [readme] if readme.exists() else []
    ignored = {"_build", "jupyter_execute"}
    docs = sorted((ROOT / "docs").rglob("*.md"))
    return found + [path for path in docs if not ignored & set(path.parts)]


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_runs(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        run_page(path)
    finally:
        plt.close("all")


def test_how_pages_are_read(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 1\nprint('a', x)\n```\n\n```text output\na …\n```\n"
        "* item\n  ```python\n  x += 1\n  print(x)\n  ```\n\n```text output\n2\n```\n"
        "```python skip\nraise RuntimeError\n```\n```sh\nfalse\n```\n"
    )
    assert run_page(page) == 2
    page.write_text("```python\nprint(1)\n```\n```text output\n2\n```\n")
    with pytest.raises(pytest.fail.Exception, match=r"page\.md:5: prints"):
        run_page(page)
    page.write_text("text\n\n```python\nx = 1\nraise ValueError\n```\n")
    with pytest.raises(ValueError) as error:  # noqa: PT011
        run_page(page)
    assert error.traceback[-1].lineno + 1 == 5
