"""Names, claims and files that outlive a crash."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.agent.exit_records import refusal
from dispatcher.agent.folders import Root, check_name, read_json, write_json


@given(st.text())
def test_no_name_leaves_the_folder(name: str) -> None:
    try:
        check_name(name)
    except ValueError:
        return
    assert "/" not in name
    assert not name.startswith(".")
    assert "\0" not in name


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a" * 251, "é", "a b", None, 7])
def test_what_is_no_name(name: object) -> None:
    with pytest.raises(ValueError, match="is not a job name"):
        check_name(name)


def test_only_one_gets_a_claim(tmp_path: Path) -> None:
    root = Root(str(tmp_path))
    root.prepare()
    barrier, got = threading.Barrier(8), []

    def race() -> None:
        barrier.wait()
        got.append(root.claim("a-1"))

    racers = [threading.Thread(target=race) for _ in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(got) == [False] * 7 + [True]


def test_what_is_written_is_read_and_kept_to_oneself(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    value = {"a": [1, "é", "\udc80"], "b": None}
    write_json(str(path), value, durable=True)
    assert read_json(str(path)) == value
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "nonsense", "\xff"])
def test_what_cannot_be_read_is_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text, encoding="latin-1")
    assert read_json(str(path)) is None
    assert read_json(str(tmp_path / "none")) is None


def test_a_refusal_has_all_fields_of_an_exit_record() -> None:
    record = refusal("cannot start: x")
    fields = {"exit_code", "signal", "reason", "oom", "started_at", "ended_at", "tail", "receipt"}
    assert record.keys() == fields | {"failed_rank"}
    assert record["exit_code"] is None
