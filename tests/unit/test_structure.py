"""The structure of the code base: imports without circles, and one class of each name."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("dispatcher", "targets")
# Azure ML's names belong to the client; the machinery has its own run and experiment.
NAMES_OF_V1 = frozenset({"Run", "Experiment", "RunDetails"})


def circles(imports: Mapping[str, set[str]]) -> list[set[str]]:
    """The strongly connected components of more than one module (Tarjan)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for imported in imports[module]:
            if imported not in order:
                visit(imported)
                lowest[module] = min(lowest[module], lowest[imported])
            elif imported in stack:
                lowest[module] = min(lowest[module], order[imported])
        if lowest[module] == order[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(set(stack[at:]))
            del stack[at:]

    for module in imports:
        if module not in order:
            visit(module)
    return found


def test_a_circle_is_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}

    assert circles(imports) == [{"b", "c"}]


def test_no_modules_import_each_other_in_a_circle_also_inside_functions() -> None:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    imports = {
        module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules
    }

    assert len(imports) > 300
    assert circles(imports) == []


def classes() -> Iterator[tuple[str, str]]:
    """Name and module of each class, also of those inside classes and functions."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    yield node.name, str(path.relative_to(ROOT))


def test_a_class_has_a_name_that_no_other_class_has() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for name, path in classes():
        places[name].append(path)

    assert {
        name: paths for name, paths in places.items() if len(paths) > 1 and name not in NAMES_OF_V1
    } == {}
