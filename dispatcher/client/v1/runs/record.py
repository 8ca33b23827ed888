"""The base of all run objects: id, experiment, and the service's record."""

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.api import runs
from dispatcher.client.v1.runs.portal import Portal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.records import RunRecord
    from dispatcher.client.v1.workspaces.experiment import Experiment


@checks.checked_class
class RecordedRun(Portal):
    """The cached record of a run; what is not in it yet is fetched when it is asked for."""

    _experiment: Experiment
    _run_id: str
    _record: RunRecord

    @property
    def id(self) -> str:
        """The run's id."""
        return self._run_id

    @property
    def experiment(self) -> Experiment:
        """The experiment that the run belongs to."""
        return self._experiment

    @property
    def number(self) -> int:
        """The run's number within its experiment, growing from 1."""
        return int(self._known("number"))

    @property
    def name(self) -> Optional[str]:
        """The run's name; a child's is `parent>child`."""
        name: Optional[str] = self._known("name")
        return name

    @property
    def display_name(self) -> Optional[str]:
        """The name that is shown. Setting it changes it at the service."""
        name: Optional[str] = self._known("display_name")
        return name

    @display_name.setter
    def display_name(self, value: str) -> None:
        self._change({"display_name": value})

    @property
    def description(self) -> Optional[str]:
        """What the run is for. Setting it changes it at the service."""
        text: Optional[str] = self._known("description")
        return text

    @description.setter
    def description(self, value: str) -> None:
        self._change({"description": value})

    @property
    def type(self) -> Optional[str]:
        """`azureml.scriptrun`, `hyperdrive`, or None for an interactive run."""
        kind: Optional[str] = self._known("type")
        return kind

    @property
    def submitted_by(self) -> Optional[str]:
        """The user or service account that submitted the run, or the run at the top of its tree."""
        name: Optional[str] = self._known("submitted_by")
        return name

    @property
    def status(self) -> str:
        """The last status seen; `get_status()` asks the service."""
        return str(self._known("status"))

    def get_status(self) -> str:
        """The status now: one of v1's words. A terminal one is final and not asked for again."""
        if not self._record.get("terminal"):
            self._refresh()
        return self.status

    def get_detailed_status(self) -> Dict[str, Any]:
        """The status and, while the run waits, the reason in words."""
        status = self.get_status()
        return {"status": status, "details": self._record.get("waiting")}

    def child_policy(self, on_failure: str = "ignore") -> None:
        """Say what a failing child does to this run.

        Args:
            on_failure: "ignore" (v1's way and the default), "fail_parent" or "cancel_siblings".

        Raises:
            UserErrorException: Another word.
        """
        if on_failure not in ("ignore", "fail_parent", "cancel_siblings"):
            from dispatcher.client.errors import UserErrorException

            raise UserErrorException(
                f"on_failure is 'ignore', 'fail_parent' or 'cancel_siblings', not {on_failure!r}"
            )
        self._change({"child_policy": on_failure})

    @property
    def _service(self) -> ApiConnection:
        return self.experiment.workspace.service

    @property
    def _page_name(self) -> str:
        return self.id

    def _known(self, key: str) -> Any:
        if key not in self._record:
            self._refresh()
        record: Any = self._record
        return record[key]

    def _refresh(self) -> RunRecord:
        self._record = runs.read(self._service, self.id)
        return self._record

    def _change(self, fields: Dict[str, Any]) -> None:
        self._record = runs.change(self._service, self.id, fields)

    def __str__(self) -> str:
        return (
            f"Run(Experiment: {self.experiment.name},\nId: {self.id},\n"
            f"Type: {self.type},\nStatus: {self.status})"
        )

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RecordedRun) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)
