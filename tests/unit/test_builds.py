"""How a node builds an environment: by one command after the other, while somebody waits for it."""

import queue
import sys
from pathlib import Path

from dispatcher.agent.builds.environment_cache import BuildFailure, EnvironmentCache

UV = """#!/bin/sh
[ "$1" = --version ] && echo uv 1.0
touch {folder}/"$1"
"""


def test_what_is_canceled_between_two_commands_of_a_build_begins_no_other(tmp_path: Path) -> None:
    uv = tmp_path / "uv"
    uv.write_text(UV.format(folder=tmp_path))
    uv.chmod(0o755)
    done: queue.Queue[tuple[str, BuildFailure | None]] = queue.Queue()
    made = EnvironmentCache(
        str(tmp_path / "environments"),
        sys.executable,
        {"PATH": f"{tmp_path}:/usr/bin:/bin"},
        lambda _name: not (tmp_path / "venv").exists(),
        lambda name, failure: done.put((name, failure)),
    )
    job = {"environment": {"key": "k" * 8, "name": "e", "pip": ["six"]}, "env": {}}
    made.request("k", job, str(tmp_path / "log"))
    _name, failure = done.get(timeout=30)
    assert (tmp_path / "venv").exists()
    assert not (tmp_path / "pip").exists()
    assert failure is not None
    assert failure.reason is None
