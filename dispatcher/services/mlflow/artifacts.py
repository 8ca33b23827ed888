"""Files through MLflow's proxy: `<experiment>/<run>/artifacts/…` and
`<experiment>/models/<model>/artifacts/…` are files of a run.

MLflow may write a file anew and delete one, which Azure ML's words do not know: through this door
it can. A model's folder is listed with the model alone, as MLflow does; by our own words it is a
folder of the run.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dispatcher.access.permissions import Grant
from dispatcher.core.errors import InvalidSpec, NotFound
from dispatcher.core.runs.artifact_names import check_name
from dispatcher.services.mlflow.models import MODEL, model_of
from dispatcher.services.mlflow.runs import run_of
from dispatcher.store.artifacts.contract import Artifact
from dispatcher.store.content.blobs import Blobs
from dispatcher.store.content.incoming import Incoming
from dispatcher.store.contract import Store, Transaction

LAST = "\U0010ffff"
PIECE = 1000


@dataclass(frozen=True)
class ArtifactPath:
    """A name below a run's files, and the folders of models that are hidden there."""

    run_id: str
    attempt: int
    name: str
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Listed:
    """One line of a listing; `size` is None for a folder."""

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

    def place(self, caller: Grant, path: str) -> ArtifactPath:
        """Where a path of the proxy leads. Raises NotFound, NotAllowed, InvalidSpec."""
        return self._store.read(lambda tx: _place(tx, caller, path))

    def of_run(self, caller: Grant, run_id: str, path: str) -> ArtifactPath:
        """A name below a run's files. Raises RunNotFound, NotAllowed."""
        return self._store.read(lambda tx: _below_run(tx, caller, run_id, path.strip("/")))

    def incoming(self) -> Incoming:
        """Somewhere to write a content whose hash is not known yet."""
        return Incoming(self._blobs, self._folder)

    def keep(self, place: ArtifactPath, incoming: Incoming) -> None:
        """Note what has come in under the name, whatever was there."""
        check_name(place.name)
        digest = incoming.adopt()
        made = Artifact(
            place.run_id, place.name, digest, incoming.size, self._clock(), place.attempt
        )
        self._blobs.settle()
        self._store.write(lambda tx: tx.artifacts.replace(made))

    def find(self, place: ArtifactPath) -> Artifact:
        """Raises NotFound."""
        found = self._store.read(lambda tx: tx.artifacts.find(place.run_id, [place.name]))
        if place.name not in found:
            raise NotFound(f"run {place.run_id} has no file {place.name!r}")
        return found[place.name]

    def read(self, artifact: Artifact) -> Iterator[bytes]:
        return self._blobs.chunks(artifact.sha256, 0, artifact.size)

    def remove(self, place: ArtifactPath) -> None:
        """Forget a file, or all below a folder. Raises NotFound when there is none."""

        def work(tx: Transaction) -> int:
            names = list(tx.artifacts.find(place.run_id, [place.name]))
            prefix = f"{place.name}/" if place.name else ""
            after = ""
            while page := tx.artifacts.page(place.run_id, prefix=prefix, after=after, limit=PIECE):
                names += [each.name for each in page]
                after = page[-1].name
            tx.artifacts.remove(place.run_id, names)
            return len(names)

        if not self._store.write(work):
            raise NotFound(f"run {place.run_id} has nothing at {place.name!r}")

    def list(self, place: ArtifactPath) -> list[Listed]:
        """What lies directly below a folder; whole subfolders are stepped over."""
        prefix = f"{place.name}/" if place.name else ""

        def work(tx: Transaction) -> list[Listed]:
            found: list[Listed] = []
            after = ""
            while page := tx.artifacts.page(place.run_id, prefix=prefix, after=after, limit=PIECE):
                for artifact in page:
                    after = artifact.name
                    head, slash, _ = artifact.name[len(prefix) :].partition("/")
                    if not slash:
                        found.append(Listed(head, artifact.size))
                        continue
                    if f"{prefix}{head}" not in place.hidden:
                        found.append(Listed(head, None))
                    after = f"{prefix}{head}/{LAST}"
                    break
            return found

        if any(
            place.name == folder or place.name.startswith(f"{folder}/") for folder in place.hidden
        ):
            return []
        return self._store.read(work)


def _place(tx: Transaction, caller: Grant, path: str) -> ArtifactPath:
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
