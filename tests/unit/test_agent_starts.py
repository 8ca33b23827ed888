"""When a job may be forked, and which jobs share a fork server."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from dispatcher.agent.starting.spawning import interpreter_of
from dispatcher.agent.starting.start_method import (
    fresh_reason,
    is_same_binary,
    key_of,
    own_modules,
    own_standard_modules,
)

PYTHON = sys.executable


def may_fork(**options: Any) -> bool:
    job = {"script": "train.py", "interpreter": "python", "start": "auto", **options}
    return fresh_reason(job, key_of(job, PYTHON), PYTHON) is None


@pytest.mark.parametrize(
    ("options", "forks"),
    [
        ({}, True),
        ({"interpreter": PYTHON}, True),
        ({"env": {"LOSS": "1", "PYTHONUNBUFFERED": "1"}}, True),
        ({"env": {"HOME": os.environ.get("HOME", "")}}, "HOME" in os.environ),
        ({"env": {"HOME": "/elsewhere"}}, False),
        ({"env": {"PYTHONHASHSEED": "0"}}, False),
        ({"env": {"LANG": "xx_XX"}}, False),
        ({"env": {"MALLOC_ARENA_MAX": "1"}}, False),
        ({"start": "fresh"}, False),
        ({"start": "fork", "env": {"PYTHONHASHSEED": "0"}}, True),
        ({"script": None, "command": "python train.py"}, False),
        ({"interpreter": "/usr/bin/env"}, False),
        ({"start": "fork", "script": None, "command": "true"}, False),
    ],
)
def test_auto_forks_only_what_cannot_tell(options: dict[str, Any], forks: bool) -> None:
    assert may_fork(**options) is forks


def test_jobs_share_a_forker_unless_what_was_imported_would_differ() -> None:
    def key(**options: Any) -> object:
        return key_of({"script": "train.py", **options}, PYTHON)

    assert key() == key(env={"OMP_NUM_THREADS": "1", "LR": "0.1"})
    assert key(preload=["numpy"]) == key(preload=["numpy"], env={"LR": "0.1"})
    assert key(preload=["numpy"]) != key(preload=["numpy"], env={"OMP_NUM_THREADS": "1"})
    assert key(preload=["numpy"]) != key(preload=["torch"])
    assert key() != key(env={"PYTHONHASHSEED": "0"})


def test_two_environments_on_one_binary_are_two_interpreters(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "python").symlink_to(PYTHON)
    (tmp_path / "a" / "python3").symlink_to(PYTHON)
    a, b = str(tmp_path / "a/python"), str(tmp_path / "b/python")
    assert is_same_binary(a, str(tmp_path / "a/python3"))
    assert not is_same_binary(a, b)
    assert not is_same_binary(a, "/not/there")


def test_interpreters_are_found_in_the_jobs_path(tmp_path: Path) -> None:
    (tmp_path / "julia").symlink_to("/bin/sh")
    path = {"PATH": str(tmp_path)}
    assert interpreter_of("julia", PYTHON, path) == str(tmp_path / "julia")
    assert interpreter_of("python3", PYTHON, path) == PYTHON
    assert interpreter_of(None, PYTHON, path) == PYTHON
    assert interpreter_of("nothing", PYTHON, path) == "nothing"
    assert interpreter_of("/opt/x", PYTHON, path) == "/opt/x"


def test_own_modules_are_those_beside_the_script_and_in_the_root(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name in ("json.py", "src/socket.py", "src/data.txt"):
        (tmp_path / name).touch()
    assert own_modules(str(tmp_path), "train.py") == {"json", "src"}
    assert own_modules(str(tmp_path), "src/train.py") == {"socket", "data", "json", "src"}
    assert own_modules(None, "train.py") == frozenset()


def test_modules_that_hide_the_standard_library_are_files_and_packages(tmp_path: Path) -> None:
    for folder in ("src", "code", "email", "queue"):
        (tmp_path / folder).mkdir()
    for name in ("json.py", "src/socket.py", "email/__init__.py", "queue/data.txt", "random.csv"):
        (tmp_path / name).touch()
    assert own_standard_modules(str(tmp_path), "train.py") == {"json", "email"}
    assert own_standard_modules(str(tmp_path), "src/train.py") == {"json", "email", "socket"}
    assert own_standard_modules(None, "train.py") == frozenset()
