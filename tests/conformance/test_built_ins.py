"""Every built-in plugin stands under the kit."""

import ast
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROJECT = tomllib.loads((HERE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))


def under_test():
    """The names that the classes of this directory give to `plugin`."""
    for path in HERE.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                named = [t for t in node.targets if isinstance(t, ast.Name) and t.id == "plugin"]
                if named:
                    yield node.value.value


@pytest.mark.parametrize("name", PROJECT["project"]["entry-points"]["argus"])
def test_a_built_in_plugin_has_a_conformance_file(name):
    assert name in set(under_test()), f"write tests/conformance/test_{name}.py"
