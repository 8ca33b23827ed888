"""Jobs that a target has and that no run in the store accounts for.

There are such after a database has failed over to a standby that lagged, or was put back to an
earlier state: what was submitted and started since is not in it, and goes on. A stray holds CPUs
and GPUs that the scheduler takes for free. It is reported, and ended only when somebody says so: it
may be the only thing that is left of somebody's work.
"""

from collections.abc import Collection

from dispatcher.core.jobs import attempt_of
from dispatcher.store.contract import Transaction


def strays(tx: Transaction, jobs: Collection[str]) -> list[str]:
    """Which of these jobs belong to no run, or to an attempt that the run has not come to.

    A run is in the store before anything of it starts, so a job that was listed before this
    transaction began is never taken for a stray because it is new.
    """
    named = {name: found for name in jobs if (found := attempt_of(name))}
    runs = tx.runs.get({run_id for run_id, _ in named.values()})
    return sorted(
        name
        for name, (run_id, attempt) in named.items()
        if (run := runs.get(run_id)) is None or attempt > run.attempt
    )
