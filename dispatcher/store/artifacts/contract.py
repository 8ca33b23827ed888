"""Files of runs: names and hashes; the content lies in the blobs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Artifact:
    """A file of a run; its content lies in the blobs under its hash."""

    run_id: str
    name: str
    sha256: str
    size: int
    created_at: float
    attempt: int = 1


class Artifacts(Protocol):
    def add(self, artifacts: Sequence[Artifact]) -> None:
        """Note files of runs. What an earlier attempt left under a name is replaced, what a later
        one did stays. Raises ArtifactConflict (and changes nothing) if the same attempt has
        another content under a name.
        """

    def replace(self, artifact: Artifact) -> None:
        """Note a file whatever is there under its name."""

    def remove(self, run_id: str, names: Collection[str]) -> None:
        """Forget these files; their contents may be others' too, and stay."""

    def find(self, run_id: str, names: Collection[str]) -> dict[str, Artifact]:
        """The files of these names that are there."""

    def page(self, run_id: str, *, prefix: str, after: str, limit: int) -> list[Artifact]:
        """Files whose names start with `prefix` and come after `after`, in byte order."""
