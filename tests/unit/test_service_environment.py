"""What the embedded service has of the environment of the program that starts it."""

import os
from pathlib import Path

import pytest

import dispatcher
from dispatcher.client.api import service

ROOT = str(Path(dispatcher.__file__).parents[1])


def test_modules_of_the_users_project_are_not_on_the_import_path_of_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module `queue.py` of the user would stand before the standard library's."""
    project, packages = tmp_path / "project", tmp_path / "packages"
    (project / "docker").mkdir(parents=True)  # a folder of Dockerfiles is no package
    (project / "queue.py").touch()
    (packages / "fastapi").mkdir(parents=True)
    (packages / "fastapi" / "__init__.py").touch()
    entries = [str(project), "", "src", str(packages)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(entries))

    assert service._environment()["PYTHONPATH"] == os.pathsep.join([ROOT, str(packages)])


def test_without_an_import_path_the_service_imports_what_its_client_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)

    assert service._environment()["PYTHONPATH"] == ROOT
