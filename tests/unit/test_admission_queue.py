"""The admission queue of a node agent: which prefetched jobs may start, and when."""

import threading
from pathlib import Path

from dispatcher.agent.admission_queue import AdmissionQueue
from dispatcher.agent.folders import Root
from dispatcher.agent.job_state import EXITED
from dispatcher.agent.job_table import JobEntry, JobTable


def _queue(folder: Path) -> tuple[JobTable, AdmissionQueue, list[str]]:
    table = JobTable(Root(str(folder)), threading.RLock())
    started: list[str] = []

    def start(entry: JobEntry) -> None:
        if not queue.must_wait(entry):
            queue.occupy(entry)
            started.append(entry.name)

    queue = AdmissionQueue(table, start)
    return table, queue, started


def _add(table: JobTable, name: str, budget: float | None) -> JobEntry:
    entry = JobEntry(name, {"cpus": 1, "cpu_budget": budget})
    table.add(entry)
    return entry


def test_prefetched_jobs_start_in_order_as_running_ones_end(tmp_path: Path) -> None:
    table, queue, started = _queue(tmp_path)
    running = _add(table, "running", None)
    queue.occupy(running)
    for name in ("first", "second"):
        assert queue.must_wait(_add(table, name, 1))
    queue.admit()
    assert started == []
    running.state = EXITED
    queue.admit()
    assert started == ["first"]


def test_an_end_before_a_job_that_was_sent_again_without_a_budget_is_handled(
    tmp_path: Path,
) -> None:
    table, queue, started = _queue(tmp_path)
    running = _add(table, "running", None)
    queue.occupy(running)
    queue.occupy(_add(table, "other", None))
    waiting = _add(table, "waiting", 1)
    assert queue.must_wait(waiting)
    waiting.job = {**waiting.job, "cpu_budget": None}  # its start is requested, and comes later
    running.state = EXITED
    queue.admit()
    assert started == ["waiting"]
