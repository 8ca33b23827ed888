"""The jobs that wait for an environment, and their build logs."""

from __future__ import annotations

from collections import defaultdict

from dispatcher.agent.builds.environment_cache import BuildFailure, EnvironmentCache, in_environment
from dispatcher.agent.job_state import CREATED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, List, Optional

    from dispatcher.agent.builds.build_logs import BuildLogs
    from dispatcher.agent.job_table import JobEntry, JobTable

    Launch = Callable[[List[str]], None]
    Refuse = Callable[[str, str, str], None]


class PendingBuilds:
    """Has environments built for jobs. All methods but `is_wanted` run in the agent's thread.

    Args:
        table: The jobs.
        environments: The node's environments.
        logs: The build logs.
        path: The PATH that jobs inherit.
        call: Runs a function in the agent's thread.
    """

    def __init__(
        self,
        table: JobTable,
        environments: EnvironmentCache,
        logs: BuildLogs,
        path: str,
        call: Callable[[Callable[[], None]], None],
    ) -> None:
        self._table, self._environments, self._logs = table, environments, logs
        self._path, self._call = path, call
        self._waiting: Dict[str, List[str]] = defaultdict(list)

    def is_ready(self, entry: JobEntry) -> bool:
        """Whether a job's environment is built; if not, its build is started."""
        environment = self._environments.name_of(entry.job)
        python = self._environments.python(environment)
        if python is not None:
            entry.job = in_environment(entry.job, python, self._path)
            return True
        waiting = self._waiting[environment]
        if entry.name not in waiting:
            waiting.append(entry.name)
        self._table.mark_preparing(entry)
        log = self._logs.begin(entry.name, entry.job)
        if not self._environments.request(environment, entry.job, log):
            others = (self._table.get(name) for name in waiting)
            first = next((other for other in others if other is not None), entry)
            if first is not entry:
                with open(log, "a", encoding="utf-8") as file:
                    run = first.job.get("run_id")
                    file.write(f"The environment is being built; its log is that of run {run}.\n")
        return False

    def is_wanted(self, environment: str) -> bool:
        """Whether a job still waits for an environment. From any thread."""
        entries = [self._table.get(name) for name in list(self._waiting.get(environment, ()))]
        return any(entry is not None and entry.state == CREATED for entry in entries)

    def done(
        self, environment: str, failure: Optional[BuildFailure], launch: Launch, refuse: Refuse
    ) -> None:
        """Start a build's jobs; if it failed, end them once their logs are with the service."""
        for name in self._waiting.pop(environment, []):
            if failure is None or failure.reason is None:
                self._logs.finish(name, _nothing)
                launch([name])
            else:
                self._logs.finish(name, self._end(name, failure, refuse))

    def _end(self, name: str, failure: BuildFailure, refuse: Refuse) -> Callable[[], None]:
        reason = f"cannot start: {failure.reason}"
        return lambda: self._call(lambda: refuse(name, reason, failure.tail))


def _nothing() -> None:
    """Nothing depends on the log of a build that succeeded."""
