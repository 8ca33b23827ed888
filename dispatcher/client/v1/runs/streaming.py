"""`wait_for_completion(show_output=True)`: prints the log while it grows, in v1's layout."""

from __future__ import annotations

import codecs
import re

from dispatcher.client.api import logs
from dispatcher.client.console import echo, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Optional

    from dispatcher.client.v1.runs.waiting import RunWaiting

_STREAMED = re.compile(r"user_logs/std_log[\D]*[0]*(?:_ps)?\.txt|azureml-logs/\d\d.*\.txt")
_BUILDS = "azureml-logs/"
_LOOK_SECONDS = 1.0


def stream(run: RunWaiting, deadline: Optional[float] = None) -> None:
    """Print the run's log until the run has ended and the log is complete.

    Raises:
        ExperimentExecutionException: Ctrl-C; the run goes on.
        WaitTimeoutError: The deadline has passed; the run goes on.
    """
    try:
        _print_head(run)
        _print_log(run, deadline)
        _print_summary(run)
    except KeyboardInterrupt as error:
        from dispatcher.client.errors import ExperimentExecutionException

        raise ExperimentExecutionException(
            "The output streaming for the run interrupted.\nBut the run is still executing on the "
            f"compute target. It can be watched again by its id {run.id}, or ended with cancel()."
        ) from error


def _print_log(run: RunWaiting, deadline: Optional[float]) -> None:
    log = None
    over = run._is_over()
    while True:
        log = log or _open(run)
        if log is not None:
            log.print_more(wait=0 if over else log.patience)
            log = _next(run, log)
        if over:
            break
        over = run._is_over()
        if not over and (log is None or log.complete):
            over = run._wait_for_change(deadline, _LOOK_SECONDS)
    while log is not None and log.print_more(wait=0):
        pass


class _Log:
    """A log that is printed from where it was left off."""

    def __init__(self, run: RunWaiting, name: str) -> None:
        self.complete = False
        # A build's log has no end that anybody tells: the next one's beginning is looked for.
        self.patience = _LOOK_SECONDS / 4 if name.startswith(_BUILDS) else _LOOK_SECONDS
        self.name = name
        self._run = run
        self._offset = 0
        # A chunk may end in the middle of a character.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def print_more(self, wait: float) -> bool:
        """Print what has come since; whether that was anything."""
        data, self._offset, self.complete = logs.read(
            self._run._service, self._run.id, self.name, self._offset, wait
        )
        write(self._decoder.decode(data))
        return bool(data)


def _open(run: RunWaiting) -> Optional[_Log]:
    name = choose(logs.names(run._service, run.id))
    if name is None:
        return None
    title = f"Streaming {name}"
    echo(f"{title}\n{'=' * len(title)}\n")
    return _Log(run, name)


def _next(run: RunWaiting, log: _Log) -> _Log:
    """The log to go on with: that of the script, once an environment has been built for it."""
    if not log.name.startswith(_BUILDS) or choose(logs.names(run._service, run.id)) == log.name:
        return log
    while log.print_more(wait=0):
        pass
    echo()
    return _open(run) or log


def choose(names: List[str]) -> Optional[str]:
    """The log to follow: the highest of those that a driver writes; of several ranks the first."""
    return max((name for name in names if _STREAMED.fullmatch(name)), default=None)


def _print_head(run: RunWaiting) -> None:
    echo(f"RunId: {run.id}\nWeb View: {run.get_portal_url()}\n")


def _print_summary(run: RunWaiting) -> None:
    echo("\nExecution Summary\n=================")
    _print_head(run)
    warnings = run._record.get("warnings") or []
    if warnings:
        echo("Warnings:")
        for warning in warnings:
            echo(warning["message"])
        echo()
