"""Files through MLflow's proxy: `<experiment>/<run>/artifacts/…` and
`<experiment>/models/<model>/artifacts/…` are files of a run.

MLflow's client may overwrite and delete files; Azure ML's API cannot. The folder of a model is
listed with the model only, as in MLflow. The service's own API lists it as a folder of the run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dispatcher.access.permissions import Grant
from dispatcher.core.errors import InvalidSpec, NotFound, RunNotFound
from dispatcher.core.runs.artifact_names import check_name
from dispatcher.services.mlflow.models import MODEL, model_of
from dispatcher.services.mlflow.runs import run_of
from dispatcher.store.artifacts.contract import Artifact
from dispatcher.store.content.blobs import Blobs
from dispatcher.store.content.incoming import Incoming
from dispatcher.store.contract import Store, Transaction

LAST_CHARACTER = "\U0010ffff"
PAGE_SIZE = 1000


@dataclass(frozen=True)
class ArtifactPath:
    """A file name of a run, and the model folders that its listing leaves out."""

    run_id: str
    attempt: int
    name: str
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FolderEntry:
    """One entry of a listing; `size` is in bytes, None for a folder."""

    name: str
    size: int | None


class MlflowArtifacts:
    """Reads and writes files of runs by the proxy's paths."""

    def __init__(
        self, store: Store, blobs: Blobs, folder: Path, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._folder = folder
        self._clock = clock

    def resolve(self, caller: Grant, path: str) -> ArtifactPath:
        """The run and file name of a proxy path. Raises NotFound, NotAllowed, InvalidSpec."""
        return self._store.read(lambda tx: _resolve(tx, caller, path))

    def below_run(self, caller: Grant, run_id: str, path: str) -> ArtifactPath:
        """The path of a file name of a run. Raises RunNotFound, NotAllowed."""
        return self._store.read(lambda tx: _below_run(tx, caller, run_id, path.strip("/")))

    def incoming(self) -> Incoming:
        """A temporary file for a content whose hash is not known yet."""
        return Incoming(self._blobs, self._folder)

    def record(self, path: ArtifactPath, incoming: Incoming) -> None:
        """Record an uploaded content under the path, in place of an earlier file."""
        check_name(path.name)
        digest = incoming.adopt()
        artifact = Artifact(
            path.run_id, path.name, digest, incoming.size, self._clock(), path.attempt
        )
        self._blobs.settle()

        def work(tx: Transaction) -> None:
            if not tx.runs.get([path.run_id], lock=True):  # it may have been deleted meanwhile
                raise RunNotFound(path.run_id)
            tx.artifacts.replace(artifact)

        self._store.write(work)

    def find(self, path: ArtifactPath) -> Artifact:
        """Raises NotFound."""
        artifacts = self._store.read(lambda tx: tx.artifacts.find(path.run_id, [path.name]))
        if path.name not in artifacts:
            raise NotFound(f"run {path.run_id} has no file {path.name!r}")
        return artifacts[path.name]

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        return self._blobs.chunks(artifact.sha256, 0, artifact.size)

    def remove(self, path: ArtifactPath) -> None:
        """Remove a file, or all files below a folder. Raises NotFound when there is none."""

        def work(tx: Transaction) -> int:
            names = list(tx.artifacts.find(path.run_id, [path.name]))
            prefix = f"{path.name}/" if path.name else ""
            after = ""
            while page := tx.artifacts.page(
                path.run_id, prefix=prefix, after=after, limit=PAGE_SIZE
            ):
                names += [each.name for each in page]
                after = page[-1].name
            tx.artifacts.remove(path.run_id, names)
            return len(names)

        if not self._store.write(work):
            raise NotFound(f"run {path.run_id} has no file or folder {path.name!r}")

    def list(self, path: ArtifactPath) -> list[FolderEntry]:
        """The files and folders directly below a folder; it skips the contents of subfolders."""
        prefix = f"{path.name}/" if path.name else ""

        def work(tx: Transaction) -> list[FolderEntry]:
            entries: list[FolderEntry] = []
            after = ""
            while page := tx.artifacts.page(
                path.run_id, prefix=prefix, after=after, limit=PAGE_SIZE
            ):
                for artifact in page:
                    after = artifact.name
                    head, slash, _ = artifact.name[len(prefix) :].partition("/")
                    if not slash:
                        entries.append(FolderEntry(head, artifact.size))
                        continue
                    if f"{prefix}{head}" not in path.hidden:
                        entries.append(FolderEntry(head, None))
                    after = f"{prefix}{head}/{LAST_CHARACTER}"
                    break
            return entries

        if any(path.name == folder or path.name.startswith(f"{folder}/") for folder in path.hidden):
            return []
        return self._store.read(work)


def _resolve(tx: Transaction, caller: Grant, path: str) -> ArtifactPath:
    parts = path.strip("/").split("/")
    if len(parts) >= 4 and parts[1] == "models" and parts[3] == "artifacts":
        model = model_of(tx, caller, parts[2])
        run = run_of(tx, caller, model.run_id)
        return ArtifactPath(run.id, run.attempt, "/".join((model.body["folder"], *parts[4:])))
    if len(parts) >= 3 and parts[2] == "artifacts":
        return _below_run(tx, caller, parts[1], "/".join(parts[3:]))
    raise InvalidSpec(
        f"path {path[:200]!r}: files are at <experiment>/<run>/artifacts/… or "
        "<experiment>/models/<model>/artifacts/…"
    )


def _below_run(tx: Transaction, caller: Grant, run_id: str, name: str) -> ArtifactPath:
    run = run_of(tx, caller, run_id)
    models = tx.documents.of_runs([run_id], [MODEL]).get(run_id, ())
    return ArtifactPath(run_id, run.attempt, name, frozenset(m.body["folder"] for m in models))
