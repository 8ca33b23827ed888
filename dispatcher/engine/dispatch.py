"""Hands the work of a turn to the workers."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from dispatcher.core.runs.lifecycle import Run
from dispatcher.engine.actions import Work, prefetched_at
from dispatcher.engine.job_states import NOT_YET
from dispatcher.engine.messages import Verb
from dispatcher.engine.view import EngineView
from dispatcher.engine.workers.live_targets import LiveTargets
from dispatcher.engine.workers.worker import Worker
from dispatcher.wire.jobs import Job

log = logging.getLogger(__name__)
JobsFor = Callable[[Run], list[Job]]


def dispatch(
    view: EngineView, work: Mapping[str, Work], targets: LiveTargets, jobs_for: JobsFor, now: float
) -> None:
    """Ask the targets; what comes of it arrives in the inbox. `now`: wall-clock seconds."""
    for target, mine in work.items():
        worker = targets.worker(target)
        if worker is None:
            continue
        if mine.launch:
            _launch(view, worker, mine.launch, jobs_for, now)
        for grace, names in mine.stop.items():
            view.jobs.begin_call(names, Verb.STOP)
            worker.stop(names, grace)
        if mine.remove:
            view.jobs.begin_call(mine.remove, Verb.REMOVE)
            worker.remove(mine.remove)
        if mine.poll:
            worker.poll(mine.poll)


def _launch(
    view: EngineView, worker: Worker, runs: Sequence[Run], jobs_for: JobsFor, now: float
) -> None:
    jobs: list[Job] = []
    budgets = prefetched_at(view, worker.name)
    for run in runs:
        try:
            made = jobs_for(run)
        except Exception as error:  # this run alone is at fault: it must not hold up the others
            log.exception("no job can be made of the run", extra={"run": run.id})
            view.observe_failure(run, error, now)
            continue
        budget = budgets.get(run.id)
        jobs += made if budget is None else [replace(job, cpu_budget=budget) for job in made]
    names = [job.name for job in jobs]
    view.jobs.begin_call(names, Verb.LAUNCH)
    view.jobs.forget(names, NOT_YET)
    worker.launch(jobs)
