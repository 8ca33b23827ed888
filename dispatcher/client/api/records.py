"""What the service answers, as typed records. They are plain dicts while the code runs."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Optional, TypedDict

    Labels = Dict[str, Optional[str]]

    class RunRecord(TypedDict, total=False):
        """A run. A brief answer has `id`, `status` and `version` alone."""

        id: str
        experiment: str
        number: int
        name: Optional[str]
        display_name: Optional[str]
        description: Optional[str]
        type: Optional[str]
        status: str
        version: int
        terminal: bool
        attempt: int
        target: Optional[str]
        parent_id: Optional[str]
        root_id: str
        interactive: bool
        created_at: str
        started_at: Optional[str]
        ended_at: Optional[str]
        submitted_by: Optional[str]
        tags: Labels
        properties: Labels
        definition: Optional[Dict[str, Any]]
        error: Optional[Dict[str, Any]]
        warnings: List[Dict[str, Any]]
        waiting: Optional[str]
        ancestors: List[Any]
        logs: List[str]
        parked: bool

    class RunListPage(TypedDict):
        """Runs of a list, and where its next page begins."""

        runs: List[RunRecord]
        next: Optional[str]

    class WaitRecord(TypedDict):
        """Statuses by run id, and how many of the runs have not ended."""

        statuses: Dict[str, str]
        pending: int

    class ExperimentRecord(TypedDict, total=False):
        """An experiment."""

        id: str
        name: str
        created_at: str
        archived_at: Optional[str]
        tags: Labels

    class TargetRecord(TypedDict, total=False):
        """A compute target: its configuration, and what was seen of it."""

        name: str
        kind: str
        labels: Dict[str, str]
        description: str
        gpus: Any
        answers: bool
        capacity: Any
        orphan_jobs: Dict[str, str]

    class ModelRecord(TypedDict, total=False):
        """A version of a model."""

        name: str
        version: int
        path: str
        run_id: str
        tags: Labels
        properties: Labels
        description: Optional[str]
        framework: Optional[str]
        framework_version: Optional[str]

    class EnvironmentRecord(TypedDict):
        """A version of a registered environment."""

        name: str
        version: str
        created_at: str
        definition: Dict[str, Any]
