"""The folders of a job: what a job puts there is not trusted."""

import json
import os
from pathlib import Path

import pytest

from targets.docker.job_directories import JobDirectories


@pytest.fixture
def directories(tmp_path: Path) -> JobDirectories:
    return JobDirectories(tmp_path)


def me() -> tuple[int, int]:
    return os.geteuid(), os.getegid()


def fill(directories: JobDirectories, name: str) -> Path:
    directories.fill(name, {"name": name}, me())
    return directories._jobs / name


def test_an_exit_record_is_read(directories: JobDirectories) -> None:
    record = {"exit_code": 3, "reason": "exited", "tail": "bye", "something_new": 1}
    (fill(directories, "a-1") / "exit.json").write_text(json.dumps(record))

    read = directories.exit_record("a-1")

    assert read is not None
    assert (read.exit_code, read.tail) == (3, "bye")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"exit_code": "many"}', "\x00" * 99])
def test_a_record_that_makes_no_sense_is_none(directories: JobDirectories, text: str) -> None:
    (fill(directories, "a-1") / "exit.json").write_text(text)

    assert directories.exit_record("a-1") is None


def test_no_link_leads_out_of_the_box(directories: JobDirectories, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "exit.json").write_text('{"exit_code": 0}')
    folder = fill(directories, "a-1")
    (folder / "exit.json").symlink_to(secret / "exit.json")
    (folder / "stop").symlink_to(secret / "stop")

    directories.note_stop("a-1", grace=1)

    assert directories.exit_record("a-1") is None
    assert [path.name for path in secret.iterdir()] == ["exit.json"]
    assert json.loads((folder / "stop").read_text()) == {"grace": 1}


def test_a_pipe_in_place_of_a_record_holds_nobody_up(directories: JobDirectories) -> None:
    os.mkfifo(fill(directories, "a-1") / "exit.json")

    assert directories.exit_record("a-1") is None
