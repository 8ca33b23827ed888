"""The children of a run: started, submitted, listed."""

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.v1.runs.record import RecordedRun

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Sequence, Union

    from dispatcher.client.v1.runs.run import Run

    Filter = Union[None, str, Dict[str, Optional[str]]]

_MOST = 100


@checks.checked_class
class RunChildren(RecordedRun):
    """The family of a run."""

    @property
    def parent(self) -> Optional[Run]:
        """The run's parent, or None.

        Inside a run, one above it is an `AncestorRun`: it is read, logged to and tagged, no more.
        """
        from dispatcher.client.v1.runs.listing import related

        parent_id = self._known("parent_id")
        return related(self.experiment, parent_id) if parent_id else None

    def get_children(
        self,
        recursive: bool = False,
        tags: Filter = None,
        properties: Filter = None,
        type: Optional[str] = None,
        status: Optional[str] = None,
        _rehydrate_runs: bool = True,
    ) -> Iterator[Run]:
        """Yield the children, newest first.

        Args:
            recursive: All descendants, without the run itself.
            tags, properties: A text: the key exists; a dict: all pairs are equal.
            type: Only runs of this type.
            status: Only runs of this status.
        """
        from dispatcher.client.v1.runs.listing import runs

        query: List[Any] = [("parent", self.id)]
        if recursive:
            query.append(("recursive", 1))
        return runs(
            self.experiment, query, type, tags, properties, status, rehydrate=_rehydrate_runs
        )

    def child_run(
        self,
        name: Optional[str] = None,
        run_id: Optional[str] = None,
        outputs: Union[bool, str, List[str], None] = None,
    ) -> Run:
        """Start an interactive child; it is Running at once and this code drives it.

        Args:
            name: Its own name; it is called `<parent>><name>`.
            run_id: Its id; default a new uuid4.
            outputs: Folders as for `Experiment.start_logging`; default: none of its own.
        """
        from dispatcher.client.v1.runs import outputs as run_outputs
        from dispatcher.client.v1.runs import submission

        chained = ">".join(part for part in (self.name, name) if part) or None
        spec = submission.interactive_spec(self.experiment.name, run_id, parent_id=self.id)
        folders = run_outputs.make(False if outputs is None else outputs)
        run = submission.start(self.experiment, [{**spec, "name": chained}])[0]
        run._outputs = folders
        return run

    def create_children(
        self,
        count: Optional[int] = None,
        tag_key: Optional[str] = None,
        tag_values: Optional[Sequence[Any]] = None,
    ) -> List[Run]:
        """Start up to 100 interactive children with one request, in order, all Running.

        Args:
            count: How many; each gets its number as the tag `azureml.batch_child_number`.
            tag_key: The tag that tells them apart, instead of `count`.
            tag_values: One value of that tag for each child.

        Raises:
            UserErrorException: Neither or both of the forms, or more than 100.
        """
        from dispatcher.client.v1.runs import submission
        from dispatcher.client.v1.runs.tags import as_texts

        key, values = _labels(count, tag_key, tag_values)
        specs = []
        for value in values:
            spec = submission.interactive_spec(self.experiment.name, None, parent_id=self.id)
            specs.append({**spec, "tags": as_texts({key: value})})
        return submission.start(self.experiment, specs) if specs else []

    def submit_child(
        self,
        config: Any,
        tags: Optional[Dict[str, Any]] = None,
        key: Optional[str] = None,
        **kwargs: Any,
    ) -> Run:
        """Submit a child and return at once.

        Args:
            config: A ScriptRunConfig, or a HyperDriveConfig: a sweep.
            tags: Tags of the child.
            key: Names the child durably within this run: a run that is started again gets the
                child that is there. Default inside a submitted run: call site, count and
                configuration. The same key with another configuration is refused.
            **kwargs: Such as `run_id`, as for `Experiment.submit`.

        Raises:
            ExperimentExecutionException: The script is missing, the target unknown, …
            SnapshotException: The source folder cannot be taken.
        """
        from dispatcher.client.v1.runs import submission

        return submission.submit(
            self.experiment, [config], tags, parent_id=self.id, keys=[key], **kwargs
        )[0]

    def submit_children(
        self,
        configs: Sequence[Any],
        tags: Optional[Dict[str, Any]] = None,
        keys: Optional[Sequence[Optional[str]]] = None,
    ) -> List[Run]:
        """Submit many children with one request; all or none.

        Args:
            configs: ScriptRunConfigs; each distinct source folder is taken once.
            tags: Tags of every child.
            keys: One durable key for each, see `submit_child`.

        Raises:
            ExperimentExecutionException: A script is missing, a target unknown, …
        """
        from dispatcher.client.v1.runs import submission

        return submission.submit(
            self.experiment,
            list(configs),
            tags,
            parent_id=self.id,
            keys=keys,
        )


def _labels(
    count: Optional[int], tag_key: Optional[str], tag_values: Optional[Sequence[Any]]
) -> tuple[str, Sequence[Any]]:
    from dispatcher.client.errors import UserErrorException

    by_tag = tag_key is not None and tag_values is not None
    if (count is not None) == by_tag or (tag_key is None) != (tag_values is None):
        raise UserErrorException(
            "create_children takes either count, or both tag_key and tag_values."
        )
    values = list(tag_values) if tag_values is not None else [str(n) for n in range(count or 0)]
    if len(values) > _MOST:
        raise UserErrorException(
            f"create_children makes {_MOST} children at most, not {len(values)}; call it again "
            "for the rest, or submit them with submit_children."
        )
    return tag_key or "azureml.batch_child_number", values
