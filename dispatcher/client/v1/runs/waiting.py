"""Waiting for runs, and `get_details`."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

import time

from dispatcher.client import checks
from dispatcher.client.api import runs as api_runs
from dispatcher.client.console import echo
from dispatcher.client.v1.runs.record import RecordedRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, Sequence


POLL_SECONDS = 30.0
_NO_ERROR = "Detailed error not set on the Run. Please check the logs for details."


@checks.checked_class
class RunWaiting(RecordedRun):
    """The waiting half of a run."""

    def wait_for_completion(
        self,
        show_output: bool = False,
        wait_post_processing: bool = False,
        raise_on_error: bool = True,
        timeout: Optional[float] = None,
    ) -> Dict[str, Any]:
        """Wait until the run has ended: always a terminal status, whatever was asked for.

        Called inside a run, it lends the caller's slot while it waits.

        Args:
            show_output: Print the log while it grows.
            wait_post_processing: v1's flag; a terminal status is waited for in any case.
            raise_on_error: Raise when the run has failed.
            timeout: Seconds to wait at most; None: as long as it takes.

        Returns:
            `get_details()`. A canceled run does not raise.

        Raises:
            ActivityFailedException: The run has failed.
            ExperimentExecutionException: The wait can never end, or Ctrl-C while streaming.
            WaitTimeoutError: `timeout` has passed; the run goes on.
        """
        from dispatcher.client.in_run.waiting import parked

        deadline = None if timeout is None else time.monotonic() + timeout
        was_told = False  # of the end, by an answer that has all there is to say
        if show_output:
            from dispatcher.client.v1.runs.streaming import stream

            with parked(self._service, [self.id]):
                stream(self, deadline)
        elif not self._is_over():
            with parked(self._service, [self.id]):
                while not self._wait_for_change(deadline, POLL_SECONDS, ended=True):
                    pass
            was_told = True
        details = self._details() if was_told else self.get_details()
        self._tell_failure(details, show_output, raise_on_error)
        return details

    def wait_for_children(
        self, raise_on_error: bool = False, timeout: Optional[float] = None
    ) -> Dict[str, str]:
        """Wait until all children there are now have ended, with one request, not one each.

        Args:
            raise_on_error: Raise when one of them has failed.
            timeout: Seconds to wait at most; None: as long as it takes.

        Returns:
            The children's statuses by run id.

        Raises:
            ActivityFailedException: A child has failed and `raise_on_error` is set.
            WaitTimeoutError: `timeout` has passed; the children go on.
        """
        from dispatcher.client.v1.runs.listing import runs

        children = list(runs(self.experiment, [("parent", self.id)]))
        return wait_all(children, raise_on_error, timeout)

    def get_details(self) -> Dict[str, Any]:
        """The run's facts, in v1's keys; a key without a value is left out."""
        self._read_with_logs()
        return self._details()

    def get_details_with_logs(self) -> Dict[str, Any]:
        """Like `get_details`, with the text of each log instead of its address."""
        from dispatcher.client.api.logs import read_text
        from dispatcher.client.v1.runs.details import details

        self._read_with_logs()
        texts = {name: read_text(self._service, self.id, name) for name in self._log_names()}
        return details(self._record, texts)

    def get_portal_url(self) -> str:
        """The address of the run's page."""
        return f"{self._service.address.url}/runs/{self.id}"

    def _details(self) -> Dict[str, Any]:
        """The details by the record at hand."""
        from dispatcher.client.v1.runs.details import details

        base = f"{self._service.address.url}/api/v1/runs/{self.id}/logs/"
        return details(self._record, {name: base + name for name in self._log_names()})

    def _log_names(self) -> List[str]:
        from dispatcher.client.api.logs import names

        known: Optional[List[str]] = self._record.get("logs")  # an older service does not say it
        return names(self._service, self.id) if known is None else known

    def _read_with_logs(self) -> None:
        self._record = api_runs.read(self._service, self.id, logs=True)

    def _is_over(self) -> bool:
        return bool((self._record if self._record.get("terminal") else self._refresh())["terminal"])

    def _wait_for_change(self, deadline: Optional[float], poll: float, ended: bool = False) -> bool:
        """Wait until the record changes, `poll` seconds at most; whether the run is over then.

        With `ended`, changes before the end are not answered: for a short run, the answer to one
        would delay that to the next.
        """
        seconds = _until(deadline, poll, f"run {self.id}")
        version = self._record["version"]
        self._record = api_runs.read_changed(self._service, self.id, version, seconds, ended)
        return bool(self._record["terminal"])

    def _tell_failure(self, facts: Dict[str, Any], show_output: bool, raise_on_error: bool) -> None:
        if facts["status"] != "Failed":
            return
        import json

        error = json.dumps(facts["error"], indent=4) if facts.get("error") else _NO_ERROR
        if raise_on_error:
            from dispatcher.client.errors import ActivityFailedException

            raise ActivityFailedException(error_details=error)
        if show_output:
            echo(f"\nError:\n{error}")


def wait_all(
    runs: Sequence[RecordedRun], raise_on_error: bool = False, timeout: Optional[float] = None
) -> Dict[str, str]:
    """Wait until all runs have ended, with one request however many they are.

    Args:
        runs: Runs of one workspace.
        raise_on_error: Raise when one of them has failed.
        timeout: Seconds to wait at most; None: as long as it takes.

    Returns:
        The terminal statuses by run id, in the order of `runs`.

    Raises:
        ActivityFailedException: A run has failed and `raise_on_error` is set; it names the runs.
        WaitTimeoutError: `timeout` has passed; the runs go on.
    """
    if not runs:
        return {}
    from dispatcher.client.in_run.waiting import parked

    ids = [run.id for run in runs]
    connection = runs[0]._service
    deadline = None if timeout is None else time.monotonic() + timeout
    answer = api_runs.wait(connection, ids, 0)
    if answer["pending"]:
        with parked(connection, ids):
            while answer["pending"]:
                seconds = _until(deadline, POLL_SECONDS, f"{len(ids)} runs")
                answer = api_runs.wait(connection, ids, seconds)
    ended = {run_id: answer["statuses"][run_id] for run_id in ids}
    failed = [run_id for run_id, status in ended.items() if status == "Failed"]
    if failed and raise_on_error:
        from dispatcher.client.errors import ActivityFailedException

        raise ActivityFailedException(f"{len(failed)} of {len(ids)} runs failed: {failed}")
    return ended


def _until(deadline: Optional[float], poll: float, what: str) -> float:
    """How long the next request may wait. Raises WaitTimeoutError when the time is over."""
    if deadline is None:
        return poll
    left = deadline - time.monotonic()
    if left <= 0:
        from dispatcher.client.errors import WaitTimeoutError

        raise WaitTimeoutError(
            f"The wait for {what} was given up after its timeout. Nothing was canceled: it goes "
            "on; wait again, or call cancel()."
        )
    return min(left, poll)
