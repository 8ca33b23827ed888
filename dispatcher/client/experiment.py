"""An experiment: the name under which runs are collected."""
# ruff: noqa: ARG002, ARG004  (the signatures are Azure ML's)

from __future__ import annotations

import re

from dispatcher.client.errors import NotYetAvailable, UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, NoReturn, Optional, Sequence, Union

    from dispatcher.client.children import Filter
    from dispatcher.client.run import Run
    from dispatcher.client.workspace import Workspace

_NAME = re.compile(r"[a-zA-Z0-9][\w\-]{0,254}", re.ASCII)


class Experiment:
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
            _check_name(name)
        self._workspace = workspace
        self._name = name
        self._record: Dict[str, Any] = _experiment_dto or {}
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
            view_type: v1's ActiveOnly, ArchivedOnly or All; none is archived yet.
            tags: A text: the key exists; a dict: all pairs are equal.
        """
        if view_type == "ArchivedOnly":
            return []
        records = workspace.service.get("/experiments")["experiments"]
        return [
            Experiment(workspace, record["name"], _experiment_dto=record)
            for record in records
            if experiment_name in (None, record["name"]) and _fits(record.get("tags") or {}, tags)
        ]

    @property
    def workspace(self) -> Workspace:
        """The workspace."""
        return self._workspace

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
        """When it was archived: never yet."""
        return None

    def refresh(self) -> None:
        """Read the experiment from the service, which makes it if it is not there."""
        self._record = self.workspace.service.post(f"/experiments/{self.name}")

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
        from dispatcher.client import submission

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
        from dispatcher.client import submission

        return submission.submit(self, list(configs), tags, brief=True)

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
            outputs: None or True makes `./outputs`, a name or names those folders, False none.
            snapshot_directory: The folder to keep a snapshot of; None for none.
            display_name, description, tags: Of the run.

        Raises:
            SnapshotException: The folder cannot be taken.
        """
        from dispatcher.client import submission
        from dispatcher.client.run_tags import as_texts

        spec = submission.interactive_spec(self.name, run_id)
        snapshot = submission.snapshot_of(self, snapshot_directory)
        submission.make_outputs(outputs)
        told = {
            "name": name or f"run_{spec['id']}",
            "display_name": display_name,
            "description": description,
            "tags": as_texts(tags or {}),
            **snapshot,
        }
        return submission.start(self, [{**spec, **told}])[0]

    def get_runs(
        self,
        type: Optional[str] = None,
        tags: Filter = None,
        properties: Filter = None,
        include_children: bool = False,
    ) -> Iterator[Run]:
        """Yield the runs, newest first; without `include_children` those at the top only."""
        from dispatcher.client.run import Run

        return Run.list(self, type, tags, properties, include_children=include_children)

    def tag(self, key: str, value: Optional[str] = None) -> None:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("tag")

    def set_tags(self, tags: Dict[str, Any]) -> None:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("set_tags")

    def remove_tags(self, tags: Sequence[str]) -> None:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("remove_tags")

    def archive(self) -> None:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("archive")

    def reactivate(self, new_name: Optional[str] = None) -> None:
        """Not there yet. Raises NotYetAvailable; UserErrorException with a name, as in v1."""
        if new_name is not None:
            raise UserErrorException("An experiment cannot be renamed; leave new_name out.")
        _not_yet("reactivate")

    @staticmethod
    def delete(workspace: Workspace, experiment_id: str) -> None:
        """Not there yet. Raises NotYetAvailable."""
        _not_yet("delete")

    def get_portal_url(self) -> str:
        """The address of the experiment's page."""
        return f"{self.workspace.service.address.url}/experiments/{self.name}"

    def __repr__(self) -> str:
        return f"Experiment(Name: {self.name},\nWorkspace: {self.workspace.name})"


def _check_name(name: str) -> None:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise UserErrorException(
            f"{name!r} is not an experiment's name: it begins with a letter or digit, goes on with "
            "letters, digits, underscores and dashes, and has 255 characters at most."
        )


def _fits(tags: Dict[str, Optional[str]], wanted: Filter) -> bool:
    if isinstance(wanted, dict):
        return all(key in tags and tags[key] == value for key, value in wanted.items())
    return wanted is None or wanted in tags


def _not_yet(call: str) -> NoReturn:
    raise NotYetAvailable(
        f"Experiment.{call} is not available yet. Tag the runs instead, and find them with "
        "get_runs(tags=…)."
    )
