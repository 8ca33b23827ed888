"""Two services on one database and one folder of contents: one deletes and collects while the other
submits, registers files and deletes as well.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dispatcher.access import principals
from dispatcher.access.permissions import Grant, Permission, Scope
from dispatcher.core.errors import RunConflict, RunNotFound, SnapshotNotFound
from dispatcher.core.runs.spec import RunSpec
from dispatcher.services.submission import SubmissionService
from dispatcher.store.sql import SqlStore
from tests.rigs.collection import OWNER, Rig, SetClock, digest

ROUNDS = 15
SUBMIT = Grant(principals.owner(), Permission.SUBMIT_RUNS, Scope.ANY)


@pytest.fixture(params=["sqlite", "postgresql"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Rig, Rig]]:
    """Two services; on SQLite, which has one process, they share the store."""
    clock = SetClock(1_800_000_000.0)
    if request.param == "sqlite":
        store = SqlStore(f"sqlite:///{tmp_path}/x.db", clock)
        stores = [store, store]
    else:
        url = request.getfixturevalue("postgres").url()
        stores = [SqlStore(url, clock), SqlStore(url, clock)]
    yield Rig(stores[0], tmp_path, clock), Rig(stores[1], tmp_path, clock)
    for store in {id(each): each for each in stores}.values():
        store.close()


def together(*works: Callable[[], object]) -> None:
    """Do these at once; raises what one of them raises."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        start.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_snapshots_and_files_that_come_during_a_collection_are_whole(
    two: tuple[Rig, Rig],
) -> None:
    one, other = two
    other.run("files")
    for k in range(ROUNDS):
        contents = [f"{k}-{n}".encode() for n in range(6)]
        for n in range(3):
            other.take_snapshot(*contents[n:])
        other.snapshots.put(digest(b"w%d" % k), b"w%d" % k)
        one.pass_days(2)

        def submit(k: int = k, contents: list[bytes] = contents) -> None:
            while True:  # as the client does: announce, submit, and announce again if it is gone
                snapshot = other.take_snapshot(*contents[1:])
                with suppress(SnapshotNotFound):
                    other.snapshots.require([snapshot])
                    other.run(f"r{k}", snapshot=snapshot)
                    return

        together(one.collect, other.collect, submit,
                 lambda k=k: other.put_file("files", f"w{k}", b"w%d" % k))  # type: ignore[misc]  # fmt: skip
    one.pass_days(2)
    one.collect()
    for k in range(ROUNDS):
        snapshot = one.status.get(f"r{k}").spec.snapshot
        assert snapshot is not None
        assert b"".join(one.snapshots.archive(snapshot)), k
        artifact = one.artifacts.find("files", f"w{k}")
        assert b"".join(one.artifacts.read(artifact, 0, 9)) == b"w%d" % k
    assert len(one.stored()) == ROUNDS * (1 + 5 + 1)


def test_a_child_is_either_submitted_or_its_parent_is_deleted(two: tuple[Rig, Rig]) -> None:
    one, other = two
    submission = SubmissionService.__new__(SubmissionService)  # `add` needs the clock alone
    submission._clock = other.clock
    outcomes = set()
    for k in range(ROUNDS):
        parent, child = f"p{k}", f"c{k}"
        one.run(parent)
        one.end(parent)
        spec = RunSpec(id=child, experiment="e", interactive=True, parent_id=parent)

        def submit(spec: RunSpec = spec) -> None:
            with suppress(RunNotFound):
                other.store.write(lambda tx: submission.add(tx, [spec], SUBMIT))

        def delete(parent: str = parent) -> None:
            with suppress(RunConflict):
                one.deletion.delete(parent, OWNER)

        together(submit, delete)
        there = one.store.read(lambda tx, ids=(parent, child): set(tx.runs.get(ids)))  # type: ignore[misc]
        assert there in (set(), {parent, child})
        outcomes.add(len(there))
    assert outcomes


def test_of_two_that_delete_a_run_one_is_told_that_it_is_gone(two: tuple[Rig, Rig]) -> None:
    one, other = two
    for k in range(ROUNDS):
        one.run(f"r{k}")
        one.end(f"r{k}")
        told: list[str] = []

        def delete(made: Rig, k: int = k, told: list[str] = told) -> None:
            try:
                made.deletion.delete(f"r{k}", OWNER)
                told.append("deleted")
            except RunNotFound:
                told.append("gone")

        together(lambda d=delete: d(one), lambda d=delete: d(other))  # type: ignore[misc]
        assert sorted(told) == ["deleted", "gone"]


def test_what_is_registered_for_a_run_while_it_is_deleted_leaves_nothing(
    two: tuple[Rig, Rig],
) -> None:
    one, other = two
    for k in range(ROUNDS):
        one.run(f"r{k}")
        one.end(f"r{k}")

        def register(k: int = k) -> None:
            with suppress(RunNotFound):
                other.put_file(f"r{k}", "a", b"late %d" % k)

        together(register, lambda k=k: one.deletion.delete(f"r{k}", OWNER))  # type: ignore[misc]
    one.pass_days(2)
    one.collect()
    assert one.store.read(lambda tx: tx.references.artifacts("")) == set()
    assert one.stored() == set()
