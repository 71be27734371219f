"""Notebooks run from top to bottom, and show plots."""

import nbformat
import pytest
from nbclient import NotebookClient

from conftest import ROOT

PLOTS = {"01_first_fleet": 3, "02_real_clients": 1}  # at least
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells), "keep outputs out of the tree"
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": path.parent}})
    client.execute()
    kinds = [kind for cell in notebook.cells for kind in kinds_of(cell)]
    assert kinds.count("image/png") >= PLOTS[path.stem]
    assert "text/html" in kinds
    streams = "".join(o.text for c in notebook.cells for o in c.get("outputs", []) if "text" in o)
    assert "Traceback" not in streams


def kinds_of(cell):
    return [kind for output in cell.get("outputs", []) for kind in output.get("data", {})]
