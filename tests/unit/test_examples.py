"""The examples import only what is there; imports inside functions are counted."""

import ast
import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def _imports(file: Path) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dispatcher"):
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.py")), ids=lambda file: file.stem)
def test_every_name_that_an_example_imports_exists(file: Path) -> None:
    missing = [f"{module}.{name}" for module, name in _imports(file) if not _exists(module, name)]
    assert not missing


def _exists(module: str, name: str) -> bool:
    """Whether the module has the name, or is a package with a module of that name."""
    found = importlib.import_module(module)
    if hasattr(found, name):
        return True
    return hasattr(found, "__path__") and importlib.util.find_spec(f"{module}.{name}") is not None
