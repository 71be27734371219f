"""Results as HTML: in a notebook, and as one self-contained file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from . import units
from .report import Section, sections_of

if TYPE_CHECKING:
    from .result import Result
    from .table import Table

_STYLE = """
.mqttwin{font:14px/1.45 system-ui,sans-serif;font-variant-numeric:tabular-nums}
.mqttwin .grid{display:grid;gap:1.2rem 2.5rem;
 grid-template-columns:repeat(auto-fit,minmax(22rem,1fr))}
.mqttwin table{border-collapse:collapse;width:100%;margin:0;background:none}
.mqttwin th,.mqttwin td{padding:.18rem .5rem .18rem 0;text-align:right;white-space:nowrap;
 border:0;background:none;font-weight:400}
.mqttwin thead th{font-size:12px;opacity:.65;border-bottom:1px solid rgba(128,128,128,.35)}
.mqttwin thead th:first-child{font-size:14px;font-weight:600;opacity:1}
.mqttwin th:first-child,.mqttwin .left{text-align:left}
.mqttwin .left{white-space:normal;overflow-wrap:anywhere}
.mqttwin .sub{padding-left:1.2rem;opacity:.75}
.mqttwin .wide{grid-column:1/-1}
.mqttwin .plots{display:flex;flex-wrap:wrap;gap:1rem;margin:1.2rem 0}
.mqttwin .plots img{max-width:100%;background:#fff;border-radius:4px}
"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{max-width:74rem;margin:2rem auto;padding:0 1.2rem}}
h1{{font:600 22px system-ui,sans-serif}}pre{{font-size:13px;overflow-x:auto}}{style}</style></head>
<body><h1>{title}</h1><div class="mqttwin">{plots}{sections}</div>{found}</body></html>
"""

_WIDE = {"Run", "Latency", "Conservation"}


def result_html(result: Result) -> str:
    """A result's report for a notebook."""
    sections = _sections_html(sections_of(result))
    return f'<style>{_STYLE}</style><div class="mqttwin">{sections}</div>'


def report_page(result: Result, title: str, found: str = "") -> str:
    """A result's report as a page that needs nothing else: styles and plots are in it.

    Args:
        result: What to show.
        title: Of the page.
        found: What the scenario said about it, as plain text.
    """
    return _PAGE.format(
        title=escape(title),
        style=_STYLE,
        plots=_plots_html(result),
        sections=_sections_html(sections_of(result)),
        found=f"<pre>{escape(found)}</pre>" if found.strip() else "",
    )


def _sections_html(sections: Sequence[Section]) -> str:
    return '<div class="grid">' + "".join(_section_html(s) for s in sections if s.rows) + "</div>"


def _section_html(section: Section) -> str:
    last = len(section.columns) - 1 if section.last_left else -1
    head = "".join(f"<th>{escape(name)}</th>" for name in (section.title, *section.columns))
    body = []
    for label, *cells in section.rows:
        kind = ' class="sub"' if label.startswith(" ") else ""
        row = f"<th{kind}>{escape(label.strip())}</th>"
        for i, cell in enumerate(cells):
            row += (
                f'<td class="left">{escape(cell)}</td>' if i == last else f"<td>{escape(cell)}</td>"
            )
        body.append(f"<tr>{row}</tr>")
    wide = ' class="wide"' if section.title in _WIDE else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    return f"<section{wide}>{table}</section>"


def _plots_html(result: Result) -> str:
    """Plots as images within the page; nothing where there is no matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return ""
    images = []
    for draw in (result.plot.latency_cdf, result.plot.rates, result.plot.connections):
        figure = Figure(figsize=(5.6, 3.4), layout="constrained")
        FigureCanvasAgg(figure)
        ax: Any = figure.add_subplot()
        draw(ax)
        images.append(_image(figure, ax.get_title(loc="left")))
    return f'<div class="plots">{"".join(images)}</div>'


def _image(figure: Any, name: str) -> str:
    # A long series makes a huge SVG, so: pixels, at twice the density of a screen.
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img width="448" alt="{escape(name)}" src="data:image/png;base64,{data}">'


def table_html(table: Table, rows: int = 10) -> str:
    """The first rows of a table, for a notebook."""
    count = min(len(table), rows)
    columns = [[_cell(v) for v in table[name][:count]] for name in table.columns]
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in zip(*columns, strict=True)
    )
    more = f"<p>{len(table):,} rows × {len(table.columns)} columns</p>"
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(value: Any) -> str:
    if isinstance(value, np.timedelta64):
        return "" if np.isnat(value) else units.format_duration(float(value.astype(np.int64)))
    if isinstance(value, bytes):
        shown = value[:40].decode("utf-8", "backslashreplace")
        return shown + ("…" if len(value) > 40 else "")
    return "" if value is None else str(value)
