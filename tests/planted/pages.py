"""Pages of the documentation, made of the modules: ``(cd tests && python -m planted.pages)``."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

from . import names

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "planted"
PARTS = ("Symptom", "Cause", "Fix")

INDEX = """\
# Bugs of firmware

What goes wrong in firmware that speaks MQTT goes wrong when a connection breaks at the wrong
moment, when power fails, when a server forgets. Here are {count} such bugs, each with what one sees
(symptom), why (cause), what helps (fix), and with two firmwares: one that has the bug and one that
does not.

The firmwares are in `tests/planted`. They differ in one part only and share the rest,
`firmware.py`, a device that

- announces itself, retained, on `d/{{id}}/status`, which its will contradicts,
- numbers its readings and keeps each until the server has acknowledged it,
- acts upon each command once, however often it is delivered,
- connects again with a back-off that grows and is random, and notices a dead link.

Where the bug is one that mqttwin's own client does not let a device make, they share `raw.py`: the
same device once more, with an MQTT client written from scratch over asyncio's streams.

`harness.py` is the scenario: three devices on LTE-M behind a middlebox that forgets flows which are
idle for five minutes, a cloud that sends commands, ten minutes in which anything may break, five in
which nothing does. Then it is asked whether everybody is connected, no reading is missing, no
command was lost or acted upon twice, and the status on the server is the truth.

{toctree}

{table}
"""


def page(name: str) -> str:
    """The page of a pair: its docstring, then what of its source is code."""
    source = (HERE / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    title, parts = described(name, tree)
    text = [f"# {title}\n"]
    text += [f"## {part}\n\n{parts[part]}\n" for part in PARTS]
    text.append("## The two firmwares\n")
    text.append(f"```python skip\n{code(source, tree)}\n```\n")
    text.append(f"[All of them](../bugs.md); this one is `tests/planted/{name}.py`.\n")
    return "\n".join(text)


def described(name: str, tree: ast.Module) -> tuple[str, dict[str, str]]:
    """Title and paragraphs of a module's docstring.

    Raises:
        ValueError: It has not the form "title, Symptom:, Cause:, Fix:".
    """
    title, *paragraphs = (ast.get_docstring(tree) or "").split("\n\n")
    parts = {}
    for paragraph in paragraphs:
        part, _, text = paragraph.partition(": ")
        parts[part] = textwrap.dedent(text).strip()
    if tuple(parts) != PARTS or not title:
        raise ValueError(f"{name}: the docstring needs a title, then {', '.join(PARTS)}")
    return title, parts


def code(source: str, tree: ast.Module) -> str:
    """Everything behind the imports."""
    imports = [
        node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)
    ]
    return "\n".join(source.splitlines()[imports[-1].end_lineno or 0 :]).strip()


def index() -> str:
    """The page that lists them."""
    rows = []
    for name in names():
        title, parts = described(name, ast.parse((HERE / f"{name}.py").read_text("utf-8")))
        symptom = " ".join(parts["Symptom"].split())
        rows.append(f"- [{title}](bugs/{name}.md): {symptom[0].lower()}{symptom[1:]}")
    entries = "\n".join(f"bugs/{name}" for name in names())
    toctree = f"```{{toctree}}\n:hidden:\n\n{entries}\n```"
    table = "\n".join(textwrap.fill(row, 100, subsequent_indent="  ") for row in rows)
    return INDEX.format(count=len(rows), toctree=toctree, table=table)


def pages() -> dict[Path, str]:
    """What is to be in which file."""
    docs = ROOT / "docs"
    return {docs / "bugs.md": index(), **{docs / f"bugs/{n}.md": page(n) for n in names()}}


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
