"""Orphan jobs: jobs that a target has and that no run in the store accounts for.

They appear after a database has failed over to a standby that lagged, or was put back to an earlier
state: what was submitted and started since is not in it, and goes on. An orphan job holds CPUs and
GPUs that the scheduler takes for free. It is reported, and ended only on request, because it may be
all that is left of somebody's work.
"""

from collections.abc import Collection

from dispatcher.core.runs.jobs import attempt_of
from dispatcher.store.contract import Transaction


def orphan_jobs(tx: Transaction, jobs: Collection[str]) -> list[str]:
    """Which of these jobs belong to no run, or to an attempt that the run has not come to.

    A run is in the store before anything of it starts, so a job that was listed before this
    transaction began is never taken for an orphan because it is new.
    """
    attempts = {name: attempt for name in jobs if (attempt := attempt_of(name))}
    runs = tx.runs.get({run_id for run_id, _ in attempts.values()})
    return sorted(
        name
        for name, (run_id, attempt) in attempts.items()
        if run_id not in tx.runs.unreadable
        and ((run := runs.get(run_id)) is None or attempt > run.attempt)
    )
