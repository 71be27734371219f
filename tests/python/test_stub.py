"""The stub of the core says what is there, no more and no less."""

import ast

from conftest import ROOT
from mqttwin import _core

STUB = ast.parse((ROOT / "python" / "mqttwin" / "_core.pyi").read_text())


def public(names):
    return {name for name in names if not name.startswith("_")}


def members(node):
    for item in node.body:
        if isinstance(item, ast.FunctionDef):
            yield item.name
        elif isinstance(item, ast.AnnAssign):
            yield item.target.id


def test_every_class_and_function():
    named = {n.name for n in STUB.body if isinstance(n, ast.ClassDef | ast.FunctionDef)}
    assert public(named) == public(dir(_core))


def test_every_member():
    for node in STUB.body:
        if isinstance(node, ast.ClassDef):
            found = getattr(_core, node.name)
            if issubclass(found, Exception):
                continue
            assert public(members(node)) == public(dir(found)), node.name
