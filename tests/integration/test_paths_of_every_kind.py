"""A workspace works in a folder of any name, and keeps what it has in that folder."""

import os
import sqlite3
from pathlib import Path

import pytest

from dispatcher.server.settings import Settings
from dispatcher.store.sql import SqlStore
from tests.rigs.desk import desk

NAMES = (
    "50%ab",
    "%2e%2e",
    "lr?=0.1",
    "a#b",
    "two  blanks ",
    "a\nline",
    "quote'\"$HOME`id`",
    "ünï",
    "-rf",
    "back\\slash",
    "file:x",
    "a:b;c&d=e",
    "x" * 200,
    os.fsdecode(b"not-utf8-\xff\xfe"),
)
ASKS = """
import os
from azureml.core import Run
with open("outputs/kept.txt", "w") as file:
    file.write("kept")
print("the log")
Run.get_context().log("seen", 1)
"""


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_the_database_lies_in_the_data_folder_whatever_its_name(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    SqlStore(Settings(data_dir=data).store_url).close()

    assert (data / "dispatcher.db").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with sqlite3.connect(data / "dispatcher.db") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (0,)


@pytest.mark.parametrize("name", ["50%a ?b#c:d", "a\nline -x", NAMES[-1]], ids=ascii)
def test_a_run_is_whole_in_a_workspace_whose_folder_has_that_name(
    tmp_path: Path, name: str
) -> None:
    with desk(tmp_path / name) as made:
        run = made.submit(made.source("asks", main=ASKS))
        run.wait_for_completion()

        assert run.get_metrics() == {"seen": 1}
        assert "outputs/kept.txt" in run.get_file_names()
        (log,) = run.get_all_logs(destination=str(tmp_path / name / "logs"))
        assert Path(log).read_text() == "the log\n"
