"""An experiment: the name under which runs are collected."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

import re

from dispatcher.client import checks
from dispatcher.client.api import experiments
from dispatcher.client.errors import ServiceException, UserErrorException
from dispatcher.client.v1.runs.portal import Portal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Sequence, Union

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.records import ExperimentRecord
    from dispatcher.client.v1.runs.children import Filter
    from dispatcher.client.v1.runs.run import Run
    from dispatcher.client.v1.workspaces.workspace import Workspace

_VIEWS = {"ActiveOnly": (False,), "ArchivedOnly": (True,), "All": (False, True)}
_NAME = re.compile(r"[a-zA-Z0-9][\w\-]{0,254}", re.ASCII)


class ViewType:
    """Which experiments are listed."""

    ActiveOnly = "ActiveOnly"
    All = "All"
    ArchivedOnly = "ArchivedOnly"


@checks.checked_class
class Experiment(Portal):
    """An experiment of a workspace; it is made on the service if it is not there.

    Args:
        workspace: The workspace.
        name: A letter or digit, then letters, digits, `_` and `-`; 255 characters at most.

    Raises:
        UserErrorException: The name is not one.
    """

    def __init__(
        self,
        workspace: Workspace,
        name: str,
        _skip_name_validation: bool = False,
        _id: Optional[str] = None,
        _archived_time: Optional[str] = None,
        _create_in_cloud: bool = True,
        _experiment_dto: Optional[Dict[str, Any]] = None,
        **kwargs: Any,
    ) -> None:
        if not _skip_name_validation:
            check_experiment_name(name)
        self._workspace = workspace
        self._name = name
        record: Any = _experiment_dto or {}
        self._record: ExperimentRecord = record
        if _create_in_cloud and not self._record:
            self.refresh()

    @staticmethod
    def list(
        workspace: Workspace,
        experiment_name: Optional[str] = None,
        view_type: str = "ActiveOnly",
        tags: Filter = None,
    ) -> List[Experiment]:
        """The experiments of a workspace.

        Args:
            workspace: The workspace.
            experiment_name: Only the one of this name.
            view_type: ActiveOnly, ArchivedOnly or All.
            tags: A text: the key exists; a dict: all pairs are equal.

        Raises:
            UserErrorException: Another view.
        """
        shown = _VIEWS.get(str(view_type))
        if shown is None:
            raise UserErrorException(f"view_type is one of {', '.join(_VIEWS)}, not {view_type!r}.")
        records: Any = experiments.read_all(workspace.service)
        return [
            Experiment(workspace, record["name"], _experiment_dto=record)
            for record in records
            if experiment_name in (None, record["name"])
            and bool(record.get("archived_at")) in shown
            and _fits(record.get("tags") or {}, tags)
        ]

    @property
    def workspace(self) -> Workspace:
        """The workspace."""
        return self._workspace

    @property
    def _service(self) -> ApiConnection:
        return self.workspace.service

    @property
    def _page_name(self) -> str:
        return self.name

    @property
    def workspace_object(self) -> Workspace:
        """The workspace, under v1's older name."""
        return self._workspace

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._name

    @property
    def id(self) -> str:
        """The experiment's id."""
        if not self._record:
            self.refresh()
        return str(self._record["id"])

    @property
    def tags(self) -> Dict[str, Optional[str]]:
        """The tags as last seen; `refresh()` asks the service."""
        if not self._record:
            self.refresh()
        return dict(self._record.get("tags") or {})

    @property
    def archived_time(self) -> Optional[str]:
        """When it was archived, as last seen; None while it is active."""
        if not self._record:
            self.refresh()
        moment: Optional[str] = self._record.get("archived_at")
        return moment

    def refresh(self) -> None:
        """Read the experiment from the service, which makes it if it is not there."""
        self._record = experiments.require(self._service, self.name)

    def _change(self, fields: Dict[str, Any]) -> None:
        self._record = experiments.change(self._service, self.name, fields)

    def submit(
        self,
        config: Any,
        tags: Optional[Dict[str, Any]] = None,
        run_id: Optional[str] = None,
        **kwargs: Any,
    ) -> Run:
        """Submit a run and return at once.

        Args:
            config: A ScriptRunConfig; the run keeps a copy, later changes do not reach it.
            tags: The run's tags.
            run_id: The run's id; default `<experiment>_<unix seconds>_<8 hex>`.
            **kwargs: `display_name`, `description` or `properties` of the run.

        Raises:
            ExperimentExecutionException: The script is missing, the target unknown, …
            SnapshotException: The source folder cannot be taken.
            AzureMLException: The configuration is of no class that can be submitted.
            TypeError: An argument that is not known.
        """
        from dispatcher.client.v1.runs import submission

        return submission.submit(self, [config], tags, run_id=run_id, **kwargs)[0]

    def submit_all(
        self, configs: Sequence[Any], tags: Optional[Dict[str, Any]] = None
    ) -> List[Run]:
        """Submit many runs with one request; all or none.

        Args:
            configs: ScriptRunConfigs; each distinct source folder is taken once.
            tags: Tags of every run.

        Raises:
            ExperimentExecutionException: A script is missing, a target unknown, …
        """
        from dispatcher.client.v1.runs import submission

        return submission.submit(self, list(configs), tags)

    def start_logging(
        self,
        name: Optional[str] = None,
        run_id: Optional[str] = None,
        outputs: Union[bool, str, Sequence[str], None] = None,
        snapshot_directory: Optional[str] = ".",
        display_name: Optional[str] = None,
        description: Optional[str] = None,
        tags: Optional[Dict[str, Any]] = None,
        **kwargs: Any,
    ) -> Run:
        """Start an interactive run: it is Running at once and this code drives it.

        Args:
            name: Default `run_<id>`.
            run_id: Default a new uuid4.
            outputs: None or True makes `./outputs`, a name or names those folders, False none;
                what is in them is kept when the run ends.
            snapshot_directory: The folder to keep a snapshot of; None for none.
            display_name, description, tags: Of the run.

        Raises:
            SnapshotException: The folder cannot be taken.
        """
        from dispatcher.client.v1.runs import outputs as run_outputs
        from dispatcher.client.v1.runs import submission
        from dispatcher.client.v1.runs.tags import as_texts

        spec = submission.interactive_spec(self.name, run_id)
        snapshot = submission.snapshot_of(self, snapshot_directory)
        folders = run_outputs.make(outputs)
        fields = {
            "name": name or f"run_{spec['id']}",
            "display_name": display_name,
            "description": description,
            "tags": as_texts(tags or {}),
            **snapshot,
        }
        run = submission.start(self, [{**spec, **fields}])[0]
        run._outputs = folders
        return run

    def get_runs(
        self,
        type: Optional[str] = None,
        tags: Filter = None,
        properties: Filter = None,
        include_children: bool = False,
    ) -> Iterator[Run]:
        """Yield the runs, newest first; without `include_children` those at the top only."""
        from dispatcher.client.v1.runs.run import Run

        return Run.list(self, type, tags, properties, include_children=include_children)

    def tag(self, key: str, value: Any = None) -> None:
        """Set one tag. Without a value it reads back as None."""
        self.set_tags({key: value})

    def set_tags(self, tags: Dict[str, Any]) -> None:
        """Set several tags; the others stay. Values become text, None stays None."""
        from dispatcher.client.v1.runs.tags import as_texts

        self._change({"tags": as_texts(tags)})

    def remove_tags(self, tags: Sequence[str]) -> None:
        """Remove tags by key; one that is not there is fine."""
        self._change({"remove_tags": [tags] if isinstance(tags, str) else list(tags)})

    def archive(self) -> None:
        """Take it out of the usual lists. Its runs stay, and more may be submitted."""
        self._change({"archived": True})

    def reactivate(self, new_name: Optional[str] = None) -> None:
        """Bring it back into the usual lists. Raises UserErrorException with a name, as in v1."""
        if new_name is not None:
            raise UserErrorException("An experiment cannot be renamed; leave new_name out.")
        self._change({"archived": False})

    @staticmethod
    def delete(workspace: Workspace, experiment_id: str) -> None:
        """Delete an experiment that has no runs.

        Raises:
            UserErrorException: There is none with that id, or it has runs: archive it instead.
        """
        for record in experiments.read_all(workspace.service):
            if record["id"] == experiment_id:
                try:
                    experiments.delete(workspace.service, record["name"])
                except ServiceException as error:
                    raise UserErrorException(error.message, inner_exception=error) from error
                return
        raise UserErrorException(f"There is no experiment with the id {experiment_id!r}.")

    def get_portal_url(self) -> str:
        """The address of the experiment's page."""
        return f"{self.workspace.service.address.url}/experiments/{self.name}"

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name},\nWorkspace: {self.workspace.name})"


def check_experiment_name(name: str) -> None:
    """Raises UserErrorException for what cannot be an experiment's name."""
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise UserErrorException(
            f"{name!r} is not an experiment's name: it begins with a letter or digit, goes on with "
            "letters, digits, underscores and dashes, and has 255 characters at most."
        )


def _fits(tags: Dict[str, Optional[str]], condition: Filter) -> bool:
    if isinstance(condition, dict):
        return all(key in tags and tags[key] == value for key, value in condition.items())
    return condition is None or condition in tags
