"""The client imports the standard library's modules beside a user's modules of their names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = """
from dispatcher.client.v1.workspaces import registry
from dispatcher.wire import encoding
assert encoding.loads(b'{"a": 1}') == {"a": 1}
assert registry.logging.getLogger("x").name == "x"
"""
USERS = """
import json, logging, http
assert (json.OWN, logging.OWN, http.OWN) == (1, 1, 1)
import sys
assert sys.path[0] == sys.argv[1], sys.path
"""


@pytest.mark.parametrize("order", [(OURS, USERS), (USERS, OURS), (USERS, OURS, USERS, OURS)])
def test_a_users_modules_and_the_standard_librarys_stay_apart(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    for name in ("json", "logging", "http", "random", "socket", "queue", "threading"):
        (tmp_path / f"{name}.py").write_text("OWN = 1\n")
    (tmp_path / "main.py").write_text("".join(order))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "main.py"), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.stderr == ""


def test_without_such_modules_imports_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "json.csv").touch()
    (tmp_path / "email").mkdir()
    (tmp_path / "main.py").write_text(
        "import sys\nbefore = list(sys.meta_path)\nimport dispatcher\n"
        "assert sys.meta_path == before\n"
    )
    subprocess.run(
        [sys.executable, str(tmp_path / "main.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=60,
    )
