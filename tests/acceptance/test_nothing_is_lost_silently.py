"""What a script leaves in `outputs` is kept, or a warning of the run names it."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.desk import Desk

LINKS = """
import os, sys
os.makedirs("outputs/ckpt-2/deep"); open("outputs/ckpt-2/w", "w").write("2")
os.makedirs("models"); open("models/best.pt", "w").write("b")
os.symlink("ckpt-2", "outputs/latest")
os.symlink("../models/best.pt", "outputs/best.pt")
os.symlink("../models", "outputs/all")
os.symlink("../..", "outputs/ckpt-2/up")
os.symlink("/etc/hostname", "outputs/far")
os.symlink("/etc", "outputs/far-folder")
os.symlink("nowhere", "outputs/broken")
os.mkfifo("outputs/pipe")
open("outputs/" + "n" * 250, "w").write("long")
deep = "outputs/" + "/".join("d" * 200 for _ in range(6))
os.makedirs(deep); open(deep + "/file", "w").write("deep")
"""
WHOLE = """
import os, sys
os.rmdir("outputs"); os.symlink(sys.argv[1], "outputs")
open("outputs/model.pt", "w").write("m")
"""
A_FILE = """
import os
os.rmdir("outputs"); open("outputs", "w").write("a file")
"""


def warnings(run: Any) -> str:
    found = run.get_details().get("warnings") or []
    return "\n".join(warning["message"] for warning in found)


def test_links_in_the_runs_folders_are_kept_and_all_else_is_named(shared: Desk) -> None:
    run = shared.submit(shared.source("links", main=LINKS))
    run.wait_for_completion()

    names, told = set(run.get_file_names()), warnings(run)
    kept = {"ckpt-2/w", "latest/w", "best.pt", "all/best.pt", "n" * 250}
    assert {f"outputs/{name}" for name in kept} <= names
    assert not [name for name in names if "far" in name or "broken" in name or "pipe" in name]
    for lost in ("far", "far-folder", "broken", "pipe", "ckpt-2/up", "ddd"):
        assert f"outputs/{lost}" in told, lost


def test_outputs_may_be_a_link(shared: Desk) -> None:
    scratch = shared.root / "scratch"
    scratch.mkdir()
    run = shared.submit(shared.source("whole", main=WHOLE), str(scratch))
    run.wait_for_completion()

    assert "outputs/model.pt" in run.get_file_names()
    assert warnings(run) == ""


def test_a_file_in_the_place_of_outputs_is_named(shared: Desk) -> None:
    run = shared.submit(shared.source("a-file", main=A_FILE))
    run.wait_for_completion()

    assert "outputs is not kept: it is no folder" in warnings(run)


def test_a_file_and_a_folder_of_one_name_are_both_downloaded(
    shared: Desk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = shared.experiment.start_logging(snapshot_directory=None)
    (tmp_path / "x").write_text("x")
    for name in ("a", "a/b", "a.file"):
        run.upload_file(name, str(tmp_path / "x"))
    with caplog.at_level(logging.WARNING, logger="dispatcher"):
        run.download_files(output_directory=str(tmp_path / "out"))
    run.complete()

    found = {
        str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file()
    }
    assert found == {"a.file", "a/b", "a.file.file"}
    assert "a is a file and a folder" in caplog.text
