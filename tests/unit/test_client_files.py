"""Files of runs on the user's disk, and the folder of the client's own data."""

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from dispatcher.client.api.artifacts import RunArtifact, RunArtifacts
from dispatcher.client.api.connection import ApiConnection
from dispatcher.client.home import find_home


class OneFile:
    """A service that has one file."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def send(self, method: str, path: str, **more: Any) -> SimpleNamespace:
        return SimpleNamespace(body=self.content)


def test_a_file_whose_name_has_all_bytes_that_a_name_can_have_is_downloaded(
    tmp_path: Path,
) -> None:
    name, content = "n" * 255, b"weights"
    artifact = RunArtifact(name, len(content), hashlib.sha256(content).hexdigest())
    files = RunArtifacts(cast(ApiConnection, OneFile(content)), "r1")
    files.download(artifact, str(tmp_path / "outputs" / name))

    assert [path.name for path in (tmp_path / "outputs").iterdir()] == [name]
    assert (tmp_path / "outputs" / name).read_bytes() == content


def test_a_tilde_in_dispatcher_home_is_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DISPATCHER_HOME", "~/runs")

    assert find_home() == str(tmp_path / "runs")
