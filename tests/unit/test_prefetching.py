"""Short runs are placed ahead of their turn on nodes that can queue; nobody is worse off for it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.errors import WaitCycle
from dispatcher.core.runs.jobs import Evidence, State
from dispatcher.core.runs.lifecycle import Placed, Run, Slot, SlotLent, Started, first, step
from dispatcher.core.runs.spec import RunSpec
from dispatcher.core.scheduling.plan import Capacity, Node, Share
from dispatcher.core.scheduling.requests import prefetched
from dispatcher.services.explaining import ExplainService
from dispatcher.store.sql import SqlStore
from tests.unit.installation import Installation, fakes

SHORT = Evidence(exit_code=0, started_at=1.0, ended_at=1.1)
LONG = Evidence(exit_code=0, started_at=1.0, ended_at=100.0)
NAMES = [f"r{k:02}" for k in range(40)]


def queueing(cpus: float) -> Capacity:
    return Capacity((Node("n", cpus),), has_admission_queue=True)


@pytest.fixture
def installation(store: SqlStore, tmp_path: Path) -> Iterator[Installation]:
    kinds = fakes(t=queueing(2), one=queueing(1))
    installation = Installation(store, kinds, str(tmp_path), time.time).start()
    yield installation
    installation.stop()


def end(
    installation: Installation, *names: str, evidence: Evidence = SHORT, target: str = "t"
) -> None:
    for name in names:
        installation.kinds.targets[target].end(f"{name}-1", evidence)


def alive(installation: Installation, target: str = "t") -> set[str]:
    return {name.removesuffix("-1") for name in installation.kinds.targets[target].alive()}


def ahead(installation: Installation, target: str = "t") -> set[str]:
    jobs = installation.kinds.targets[target].observations
    return {name for name, seen in jobs.items() if seen.state is State.CREATED}


def warmed(installation: Installation, evidence: Evidence = SHORT) -> None:
    """Two runs of that length have ended at `t`, and the others wait their turn."""
    installation.submit(*NAMES)
    installation.until(lambda: alive(installation) == {"r00", "r01"})
    end(installation, "r00", "r01", evidence=evidence)
    installation.until(lambda: alive(installation) == {"r02", "r03"})
    installation.until(lambda: installation.status_of("r01") == "Completed")


def test_short_runs_are_sent_ahead_and_start_without_the_engine(installation: Installation) -> None:
    warmed(installation)
    installation.until(lambda: len(ahead(installation)) >= 2)
    installation.engine.stop()
    end(installation, "r02", "r03")
    assert alive(installation) == {"r04", "r05"}


def test_no_more_of_them_run_at_once_than_there_are_cpus_and_each_once(
    installation: Installation,
) -> None:
    warmed(installation)
    for _ in range(len(NAMES)):
        running = sorted(alive(installation))
        assert len(running) <= 2
        if running:
            end(installation, running[0])
        installation.until(
            lambda: bool(alive(installation)) or installation.status_of(NAMES[-1]) == "Completed"
        )
        if not alive(installation):
            break
    installation.until(lambda: all(installation.status_of(name) == "Completed" for name in NAMES))
    launched = installation.kinds.targets["t"].launches
    assert launched == [f"{name}-1" for name in NAMES]


def test_long_runs_are_not_sent_ahead(installation: Installation) -> None:
    warmed(installation, evidence=LONG)
    installation.until(lambda: installation.status_of("r03") == "Running")
    assert not ahead(installation)
    assert installation.status_of("r04") == "Queued"


def test_one_that_is_ahead_is_canceled_without_having_started(installation: Installation) -> None:
    warmed(installation)
    installation.until(lambda: "r05-1" in ahead(installation))
    installation.status.cancel("r05")
    installation.until(lambda: installation.status_of("r05") == "Canceled")
    assert "r05-1" not in installation.kinds.targets["t"].launches


def test_explain_says_that_a_run_is_in_line(installation: Installation) -> None:
    warmed(installation)
    installation.until(lambda: "r05-1" in ahead(installation))
    said = ExplainService(installation.store, installation.targets).explain(
        installation.status.get("r05")
    )
    assert said is not None
    assert "prefetched to n" in said


def test_a_parent_that_waits_lets_those_that_were_ahead_start_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, installation: Installation
) -> None:
    monkeypatch.setattr("dispatcher.engine.loop.LOOK", 3600.0)  # what comes in has to be enough
    installation.submit("warm", "p", target="one")
    installation.until(lambda: alive(installation, "one") == {"warm"})
    end(installation, "warm", target="one")
    installation.until(lambda: installation.status_of("p") == "Running")
    installation.submit("c", "d", parent_id="p", target="one")
    installation.until(lambda: "c-1" in ahead(installation, "one"))

    installation.parking.park("p", ["c", "d"])

    installation.until(lambda: alive(installation, "one") == {"p", "c"})
    end(installation, "c", target="one")
    installation.until(lambda: alive(installation, "one") == {"p", "d"})
    end(installation, "d", target="one")
    installation.until(lambda: installation.status_of("d") == "Completed")
    installation.parking.unpark("p")
    installation.until(lambda: installation.status.get("p").slot is Slot.HELD)


def test_with_lending_off_a_wait_for_one_that_is_ahead_is_refused_with_its_cycle(
    installation: Installation,
) -> None:
    config = {"name": "one", "lend_slots": False}
    installation.store.write(lambda tx: tx.registry.put_target("one", config))
    installation.submit("warm", "p", target="one")
    installation.until(lambda: alive(installation, "one") == {"warm"})
    end(installation, "warm", target="one")
    installation.until(lambda: installation.status_of("p") == "Running")
    installation.submit("c", parent_id="p", target="one")
    installation.until(lambda: installation.status_of("c") == "Provisioning")
    with pytest.raises(WaitCycle, match="p -> c"):
        installation.parking.park("p", ["c"])


def test_a_parent_gets_its_slot_back_before_more_is_sent_ahead(installation: Installation) -> None:
    installation.submit("warm", "p", target="one")
    installation.until(lambda: alive(installation, "one") == {"warm"})
    end(installation, "warm", target="one")
    installation.until(lambda: installation.status_of("p") == "Running")
    installation.submit("c", parent_id="p", target="one")
    installation.parking.park("p", ["c"])
    installation.until(lambda: "c" in alive(installation, "one"))
    installation.submit(*NAMES, target="one")
    installation.parking.unpark("p")
    installation.submit("elsewhere")
    installation.until(lambda: installation.status_of("elsewhere") == "Running")
    assert installation.status.get("p").slot is Slot.WANTED
    assert alive(installation, "one") == {"p", "c"}
    assert not ahead(installation, "one")
    end(installation, "c", target="one")
    installation.until(lambda: installation.status.get("p").slot is Slot.HELD)
    assert alive(installation, "one") == {"p"}


def test_a_new_engine_goes_on_with_those_that_are_ahead(
    installation: Installation, tmp_path: Path
) -> None:
    warmed(installation)
    installation.until(lambda: len(ahead(installation)) >= 2)
    installation.engine.stop()
    end(installation, "r02", "r03")
    second = Installation(
        installation.store, installation.kinds, str(tmp_path), lambda: time.time() + 60
    ).start()
    try:
        second.until(lambda: second.status_of("r04") == "Running")
        assert len(alive(second)) == 2
        for _ in NAMES[4:]:
            end(second, min(alive(second)))
            second.until(lambda: bool(alive(second)) or second.status_of("r39") == "Completed")
        second.until(lambda: all(second.status_of(name) == "Completed" for name in NAMES))
    finally:
        second.stop()
    launched = installation.kinds.targets["t"].launches
    assert sorted(launched) == [f"{name}-1" for name in NAMES]


def placed(name: str, cpus: float, kind: str) -> Run:
    spec = RunSpec(id=name, experiment="e", command="true", target="t", cpus=cpus)
    run = step(first(spec, now=0.0, parent=None), Placed((Share("n"),)))
    if kind != "placed":
        run = step(run, Started(1.0))
    return step(run, SlotLent(("x",))) if kind == "lent" else run


RUNS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0, 2.0]), st.sampled_from(["placed", "runs", "lent"])),
    max_size=12,
)


@given(RUNS, st.sampled_from([1.0, 2.0, 4.0]))
def test_a_run_that_is_not_prefetched_fits_and_no_run_overtakes(
    made: list[tuple[float, str]], cpus: float
) -> None:
    runs = [placed(f"r{k}", *each) for k, each in enumerate(made)]
    ahead = prefetched(runs, queueing(cpus))
    taken = sum(run.spec.cpus for run, (_, kind) in zip(runs, made, strict=True) if kind == "runs")
    waiting = [run for run, (_, kind) in zip(runs, made, strict=True) if kind == "placed"]
    started = [run for run in waiting if run.id not in ahead]
    assert ahead <= {run.id for run in waiting}
    if any(run.spec.cpus for run in started):
        assert taken + sum(run.spec.cpus for run in started) <= cpus
    with_cpus = [run.id in ahead for run in waiting if run.spec.cpus]
    assert with_cpus == sorted(with_cpus)  # none behind the first that waits
    if ahead:
        head = next(run for run in waiting if run.id in ahead)
        assert taken + sum(r.spec.cpus for r in started) + head.spec.cpus > cpus
