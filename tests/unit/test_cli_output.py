"""What commands print to terminals, pipes and closed streams."""

import io
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from dispatcher.cli import tree

RECORD: dict[str, Any] = {
    "id": "r1",
    "display_name": "fine\x1b]0;title\x07\x9b2J",
    "status": "Failed",
    "warnings": [{"source": "outputs", "message": "lost \x1b[2J"}],
    "target": "local",
    "gpus": [],
    "nodes": ["local"],
    "started_at": None,
    "ended_at": None,
}


def test_a_tree_shows_control_characters_of_names_as_text() -> None:
    text = io.StringIO()
    Console(file=text, width=200, force_terminal=False).print(tree._line(RECORD))

    assert "fine\\x1b]0;title\\x07\\x9b2J" in text.getvalue()
    assert "lost \\x1b[2J" in text.getvalue()
    assert not set(text.getvalue()) & set("\x1b\x07\x9b")


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_a_command_runs_with_streams_that_the_shell_has_closed(closed: tuple[int, ...]) -> None:
    redirections = " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in closed)
    program = f"exec {sys.executable} -m dispatcher.cli.main --version {redirections}"
    done = subprocess.run(
        ["/bin/sh", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_a_help_text_that_cannot_be_written_is_an_error_of_one_line() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "dispatcher.cli.main", "ps", "--help"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip

    assert done.returncode == 2
    assert done.stderr.startswith("error: [Errno 28]")
    assert len(done.stderr.splitlines()) == 1
