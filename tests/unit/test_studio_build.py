"""The build of the studio: when it is due, and which of its files count."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
Builder = tuple[Any, Path, list[str]]


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    """The build script for a studio of two files, and the calls of npm instead of npm."""
    path = ROOT / "packaging" / "build_studio.py"
    spec = importlib.util.spec_from_file_location("build_studio", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "main.tsx").write_text("main")
    (tmp_path / "package.json").write_text("{}")
    calls: list[str] = []

    def npm(*arguments: str) -> None:
        calls.append(arguments[0])
        (tmp_path / "built").mkdir(exist_ok=True)

    hashed: Callable[[Path], str] = module.source_hash
    monkeypatch.setattr(module, "STUDIO", tmp_path)
    monkeypatch.setattr(module, "MARK", tmp_path / "built" / ".sources")
    monkeypatch.setattr(module, "source_hash", lambda: hashed(tmp_path))
    monkeypatch.setattr(module, "_npm", npm)
    return module, tmp_path, calls


def test_a_build_that_is_up_to_date_is_not_made_again(builder: Builder) -> None:
    module, _folder, calls = builder
    module.main()
    module.main()
    assert calls == ["ci", "run"]


@pytest.mark.parametrize("changed", ["src/main.tsx", "src/new.ts", "package.json"])
def test_a_change_of_the_sources_makes_a_build_due(builder: Builder, changed: str) -> None:
    module, folder, calls = builder
    module.main()
    (folder / changed).write_text("changed")
    module.main()
    assert calls == ["ci", "run", "ci", "run"]


def test_a_change_of_a_test_makes_no_build_due(builder: Builder) -> None:
    module, folder, calls = builder
    module.main()
    (folder / "src" / "main.test.ts").write_text("a test")
    module.main()
    assert calls == ["ci", "run"]


def test_a_build_that_failed_is_due_again(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _folder, _calls = builder
    module.main()

    def fails(*_arguments: str) -> None:
        raise SystemExit("npm failed")

    monkeypatch.setattr(module, "_npm", fails)
    monkeypatch.setattr(module, "is_built", lambda: False)
    with pytest.raises(SystemExit):
        module.main()
    monkeypatch.undo()
    assert not (_folder / "built" / ".sources").exists()
