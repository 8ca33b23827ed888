"""Files of runs: a name at the run, its content in the blobs under its hash.

So what is there already is not sent again, and registering a file twice is registering it once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dispatcher.core.errors import InvalidSpec, NotFound, RunNotFound
from dispatcher.core.runs.artifact_names import check_name
from dispatcher.core.runs.lifecycle import Run
from dispatcher.store.artifacts.contract import Artifact
from dispatcher.store.content.blobs import Blobs
from dispatcher.store.content.uploads import Uploads
from dispatcher.store.contract import Store, Transaction

MAX_AT_ONCE = 2_000
MAX_SIZE = 1 << 44


@dataclass(frozen=True)
class ArtifactEntry:
    """A file as it is registered."""

    name: str
    sha256: str
    size: int


class ArtifactService:
    """Registers, lists and reads files of runs."""

    def __init__(
        self, store: Store, blobs: Blobs, uploads: Uploads, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._uploads = uploads
        self._clock = clock

    def part(self, caller: str, digest: str, size: int, offset: int, data: bytes) -> int:
        """Take a part of a content; answer how much of it is held. Raises InvalidSpec."""
        if size > MAX_SIZE:
            raise InvalidSpec(f"size: {size} bytes; at most {MAX_SIZE}")
        return self._uploads.take(caller, digest, size, offset, data)

    def register(self, run: Run, attempt: int, entries: Sequence[ArtifactEntry]) -> list[str]:
        """Note files of a run, all or none; answers the contents that must be uploaded before.

        Raises ArtifactConflict, InvalidSpec.
        """
        for entry in entries:
            check_name(entry.name)
        missing = self._blobs.missing({entry.sha256 for entry in entries})
        if missing:
            return missing
        for entry in entries:
            self._check_size(entry)
        now = self._clock()
        made = [Artifact(run.id, e.name, e.sha256, e.size, now, attempt) for e in entries]
        self._blobs.settle()

        def work(tx: Transaction) -> None:
            if not tx.runs.get([run.id], lock=True):  # it may have been deleted meanwhile
                raise RunNotFound(run.id)
            tx.artifacts.add(made)

        self._store.write(work)
        return []

    def has_kept(self, run_id: str) -> bool:
        """Whether files of a deleted run are kept, because they are registered as a model."""
        return bool(self.page(run_id, "", "", 1))

    def page(self, run_id: str, prefix: str, after: str, limit: int) -> list[Artifact]:
        """Files of a run whose names start with `prefix`, from after a name on."""
        return self._store.read(
            lambda tx: tx.artifacts.page(run_id, prefix=prefix, after=after, limit=limit)
        )

    def find(self, run_id: str, name: str) -> Artifact:
        """Raises NotFound."""
        found = self._store.read(lambda tx: tx.artifacts.find(run_id, [name])).get(name)
        if found is None:
            raise NotFound(f"run {run_id} has no file {name!r}")
        return found

    def read(self, artifact: Artifact, start: int, end: int) -> Iterator[bytes]:
        """The content from `start` to before `end`, piece by piece."""
        return self._blobs.chunks(artifact.sha256, start, end)

    def _check_size(self, entry: ArtifactEntry) -> None:
        size = self._blobs.size(entry.sha256)
        if size != entry.size:
            raise InvalidSpec(f"size of {entry.name!r}: {size} bytes are stored, not {entry.size}")
