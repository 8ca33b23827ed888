"""Files of runs on the user's disk, and the folder of the client's own data."""

import hashlib
import os
import subprocess
import sys
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


IN_THE_C_LOCALE = r"""
import hashlib, os, sys
from types import SimpleNamespace
from dispatcher.client.api.artifacts import RunArtifact, RunArtifacts
from dispatcher.client.api.snapshots.tree import entries
assert sys.getfilesystemencoding() == "ascii", sys.getfilesystemencoding()
assert [entry.path for entry in entries(sys.argv[1])] == ["train.py", "\u00fc.txt"]
connection = SimpleNamespace(send=lambda *a, **k: SimpleNamespace(body=b"x"))
artifact = RunArtifact("\u2193", 1, hashlib.sha256(b"x").hexdigest())
RunArtifacts(connection, "r1").download(artifact, os.path.join(sys.argv[1], "out", artifact.name))
"""


def test_names_of_files_are_utf8_where_the_locale_is_not(tmp_path: Path) -> None:
    for name in ("ü.txt", "train.py"):
        (tmp_path / name).touch()
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run(
        [sys.executable, "-c", IN_THE_C_LOCALE, str(tmp_path)],
        env={**os.environ, **ascii_only, "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        timeout=60,
    )

    assert (tmp_path / "out" / "↓").read_bytes() == b"x"
