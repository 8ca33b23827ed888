"""Files of runs, as users call for them, against a real service."""

import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.client.errors import (
    AzureMLException,
    ServiceException,
    SnapshotException,
    UserErrorException,
)
from dispatcher.client.v1.runs.offline import OfflineRun
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.workspaces.experiment import Experiment
from tests.rigs.desk import Desk, desk

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(shared: Desk) -> Run:
    return shared.experiment.start_logging(snapshot_directory=None, outputs=False)


# Snapshots


def test_a_source_file_beyond_the_size_of_a_request_is_kept_and_comes_back(
    run: Run, here: Path
) -> None:
    source = here / "source"
    source.mkdir()
    with (source / "weights.bin").open("wb") as file:
        for number in range(70):
            file.write(bytes([number]) * (1 << 20))
    run.take_snapshot(str(source))

    path = run.restore_snapshot(path=str(here))
    with zipfile.ZipFile(path) as archive, archive.open("weights.bin") as back:
        assert [back.read(1 << 20) for _ in range(70)] == [
            bytes([n]) * (1 << 20) for n in range(70)
        ]


# Uploading


def test_a_file_can_be_a_path_or_a_binary_stream(run: Run, here: Path) -> None:
    (here / "a").write_text("text")
    assert run.upload_file("one", "a").size == 4
    run.upload_file("two", here / "a")
    with (here / "a").open("rb") as stream:
        run.upload_file("three", stream)
    run.upload_file("empty", io.BytesIO())
    assert run.get_file_names() == ["empty", "one", "three", "two"]
    for wrong in (3, None, io.StringIO("text"), "missing", "."):
        with pytest.raises(UserErrorException):
            run.upload_file("wrong", wrong)


def test_a_name_is_written_once(run: Run) -> None:
    run.upload_file("model", io.BytesIO(b"one"))
    run.upload_file("model", io.BytesIO(b"one"))
    with pytest.raises(ServiceException, match="'model'") as raised:
        run.upload_file("model", io.BytesIO(b"two"))
    assert raised.value.status_code == 409


@pytest.mark.parametrize("name", ["../x", "/x", "", "a//b", "a\\b"])
def test_a_name_that_leads_out_of_a_folder_is_refused(run: Run, name: str) -> None:
    with pytest.raises(UserErrorException):
        run.upload_file(name, io.BytesIO(b"x"))


def test_files_are_uploaded_in_lists_of_equal_length(run: Run, here: Path) -> None:
    for name in "ab":
        (here / name).write_text(name)
    with pytest.raises(TypeError):
        run.upload_files(["x"], ["a", "b"])
    assert run.upload_files(["x", "y"], ["a", "b"]) is None
    made = run.upload_files(["x/z"], ["a"], return_artifacts=True)
    assert [artifact.name for artifact in made or ()] == ["x/z"]
    with pytest.raises(UserErrorException, match="datastore"):
        run.upload_files(["x"], ["a"], datastore_name="mine")


def test_a_folder_keeps_its_tree(run: Run, here: Path) -> None:
    (here / "f/g").mkdir(parents=True)
    (here / "f/a").write_text("a")
    (here / "f/g/b").write_text("b")
    run.upload_folder("data", "f")
    assert run.get_file_names() == ["data/a", "data/g/b"]
    with pytest.raises(UserErrorException, match="is not a folder"):
        run.upload_folder("data", "f/a")


def test_a_file_larger_than_a_request_comes_back_as_it_was(run: Run, here: Path) -> None:
    data = bytes(range(256)) * 4096 * 9 + b"end"
    run.upload_file("large", io.BytesIO(data))
    run.download_file("large")
    assert (here / "large").read_bytes() == data
    assert list(here.iterdir()) == [here / "large"]


# Downloading


def test_a_file_goes_where_it_is_told_to(run: Run, here: Path) -> None:
    run.upload_file("outputs/a.txt", io.BytesIO(b"a"))
    (here / "there").mkdir()
    run.download_file("outputs/a.txt")
    run.download_file("outputs/a.txt", "there")
    run.download_file("outputs/a.txt", "new/folder/b.txt")
    found = sorted(str(path.relative_to(here)) for path in here.rglob("*") if path.is_file())
    assert found == ["a.txt", "new/folder/b.txt", "there/a.txt"]
    with pytest.raises(UserErrorException, match=r"missing.*outputs/a\.txt"):
        run.download_file("missing")


def test_files_are_downloaded_by_folder(run: Run, here: Path) -> None:
    for name in ("outputs/a", "outputs/b/c", "outputs2"):
        run.upload_file(name, io.BytesIO(name.encode()))
    run.download_files("outputs", "one")
    run.download_files(prefix="outputs/", output_directory="two", append_prefix=False)
    run.download_files("outputs", output_paths=["x", "y"])
    found = sorted(str(path.relative_to(here)) for path in here.rglob("*") if path.is_file())
    assert found == ["one/outputs/a", "one/outputs/b/c", "two/a", "two/b/c", "x", "y"]
    with pytest.raises(UserErrorException):
        run.download_files("outputs", output_paths=["x"])
    with pytest.raises(UserErrorException):
        run.download_files("nothing")


# Metrics that are files


class Plot:
    def savefig(self, stream: Any, format: str) -> None:
        assert format == "png"
        stream.write(PNG)


def test_an_image_is_a_file_and_a_reference_to_it(run: Run, here: Path) -> None:
    (here / "plots").mkdir()
    (here / "plots/a.png").write_bytes(PNG)
    (here / "b.txt").write_text("no image")
    run.log_image("path", path="plots/a.png")
    run.log_image("plot", plot=Plot())
    metrics = run.get_metrics()
    assert metrics["path"] == f"aml://artifactId/ExperimentRun/dcid.{run.id}/plots/a.png"
    assert metrics["plot"].rpartition("/")[2] in run.get_file_names()
    assert run.get_metrics("plot", populate=True)["plot"].data == PNG
    for wrong in ({}, {"path": "plots/a.png", "plot": Plot()}, {"path": "b.txt"}, {"plot": 3}):
        with pytest.raises(AzureMLException):
            run.log_image("wrong", **wrong)


@pytest.mark.parametrize("kind", ["confusion_matrix", "accuracy_table", "residuals", "predictions"])
def test_a_matrix_or_table_is_kept_as_json(run: Run, kind: str) -> None:
    log, value = getattr(run, f"log_{kind}"), {"schema_type": kind, "data": {"matrix": [[1, 2]]}}
    log("m", value)
    log("m", json.dumps({"again": 1}))
    first, second = run.get_metrics("m")["m"]
    assert first == f"aml://artifactId/ExperimentRun/dcid.{run.id}/m"
    assert [each.data for each in run.get_metrics("m", populate=True)["m"]] == [value, {"again": 1}]
    assert second != first
    for wrong in ("{no json", 3, "[1]"):
        with pytest.raises(UserErrorException):
            log("m", wrong)


# Interactive runs


def test_outputs_of_an_interactive_run_are_kept_when_it_ends(shared: Desk, here: Path) -> None:
    with shared.experiment.start_logging(snapshot_directory=None) as one:
        (here / "outputs/a").write_text("a")
        one.upload_file("outputs/b", io.BytesIO(b"by hand"))
        (here / "outputs/b").write_text("another")
    two = shared.experiment.start_logging(snapshot_directory=None, outputs=["results/x"])
    (here / "results/x/c").write_text("c")
    two.fail("for the test")
    three = shared.experiment.start_logging(snapshot_directory=None, outputs=False)
    three.complete()
    assert one.get_file_names() == ["outputs/a", "outputs/b"]
    assert two.get_file_names() == ["results/x/c"]
    assert three.get_file_names() == []


def test_what_is_printed_inside_with_is_in_the_log_and_on_the_terminal(
    shared: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sys.stdout
    with shared.experiment.start_logging(snapshot_directory=None, outputs=False) as run:
        print("hello")
        print("trouble", file=sys.stderr)
    assert sys.stdout is before
    with run:
        print("again")
    print("after")
    assert capsys.readouterr() == ("hello\nagain\nafter\n", "trouble\n")
    logs = run.get_details_with_logs()["logFiles"]
    assert logs == {"logs/user_log.txt": "hello\ntrouble\nagain\n"}
    [path] = run.get_all_logs()
    assert Path(path).read_text() == "hello\ntrouble\nagain\n"


def test_only_an_ended_run_can_be_cleaned(run: Run) -> None:
    with pytest.raises(UserErrorException, match="Running"):
        run.clean()
    run.complete()
    assert run.clean() == []


# Snapshots and models


def test_a_snapshot_is_taken_once_and_can_be_restored(run: Run, here: Path) -> None:
    (here / "source/sub").mkdir(parents=True)
    (here / "source/a.py").write_text("a")
    (here / "source/sub/b.py").write_text("b")
    with pytest.raises(SnapshotException):
        run.restore_snapshot()
    snapshot = run.take_snapshot("source")
    assert run.get_snapshot_id() == snapshot
    with pytest.raises(SnapshotException, match="already"):
        run.take_snapshot("source")
    path = run.restore_snapshot(path="back")
    assert path == str(here / "back" / f"{snapshot}.zip")
    with zipfile.ZipFile(path) as packed:
        assert {name: packed.read(name) for name in packed.namelist()} == {
            "a.py": b"a",
            "sub/b.py": b"b",
        }
    with pytest.raises(SnapshotException):
        run.restore_snapshot("0" * 64)


def test_a_model_is_files_of_a_run_with_a_version_that_grows(shared: Desk, here: Path) -> None:
    runs = [shared.experiment.start_logging(snapshot_directory=None, outputs=False)] * 2
    for run in runs:
        run.upload_file("outputs/fruit/weights", io.BytesIO(b"w"))
        run.upload_file("outputs/fruit/deep/config", io.BytesIO(b"c"))
    first = runs[0].register_model("fruit", "outputs/fruit", tags={"n": 1})
    second = runs[1].register_model("fruit", "outputs/fruit/weights")
    assert (first.name, first.version, first.path, first.tags) == (
        "fruit", 1, "outputs/fruit", {"n": "1"},
    )  # fmt: skip
    assert second.id == "fruit:2"
    assert first.download("models") == "models/fruit"
    assert (here / "models/fruit/deep/config").read_text() == "c"
    with pytest.raises(UserErrorException, match="exist_ok"):
        first.download("models")
    with pytest.raises(UserErrorException, match="no file or folder"):
        runs[0].register_model("fruit", "outputs/none")
    with pytest.raises(UserErrorException, match="not served"):
        runs[0].register_model("fruit", "outputs/fruit", datasets=[])


# Experiments


def test_an_experiment_is_tagged_archived_and_deleted(shared: Desk) -> None:
    made = Experiment(shared.workspace, "short-lived")
    made.set_tags({"a": 1, "b": None})
    made.tag("c")
    made.remove_tags(["b"])
    again = Experiment(shared.workspace, "short-lived")
    assert again.tags == {"a": "1", "c": None}
    made.archive()
    assert made.archived_time is not None

    def names(view: str) -> set[str]:
        return {each.name for each in Experiment.list(shared.workspace, view_type=view)}

    assert "short-lived" not in names("ActiveOnly")
    assert names("ArchivedOnly") == {"short-lived"}
    assert {"short-lived", "acceptance"} <= names("All")
    made.reactivate()
    assert made.archived_time is None
    with pytest.raises(UserErrorException):
        made.reactivate("other")
    Experiment.delete(shared.workspace, made.id)
    assert "short-lived" not in names("All")
    shared.experiment.start_logging(snapshot_directory=None, outputs=False)
    with pytest.raises(UserErrorException, match="archive it"):
        Experiment.delete(shared.workspace, shared.experiment.id)
    with pytest.raises(UserErrorException, match="no experiment"):
        Experiment.delete(shared.workspace, "nobody")


def test_an_offline_run_prints_every_call_of_files(capsys: pytest.CaptureFixture[str]) -> None:
    run = OfflineRun()
    run.upload_file("a", "missing")
    run.upload_files(["a"], ["missing"])
    run.upload_folder("a", "missing")
    run.log_image("a", path="missing")
    run.log_confusion_matrix("a", {"b": 1})
    run.flush(timeout_seconds=3)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Attempted")]
    assert len(told) == 6
    for absent in ("get_file_names", "download_file", "register_model", "get_metrics"):
        assert not hasattr(run, absent)
