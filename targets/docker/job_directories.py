"""What a Docker target keeps of each cold job on this machine: two folders.

They are all that the job's container may write to: the job's own (docs/protocol.md, section 2) and
a *box* around it, which is the agent's root there and the user's home.

    <state>/boxes/<job name>/      seen in the container as /dispatcher-root
    <state>/jobs/<job name>/       seen in the container as /dispatcher-root/jobs/<job name>

The folders belong to the container's user, who may put anything there: once the container runs,
what is in them is read with suspicion (`files.py`).
"""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from dispatcher.core.jobs import Evidence
from targets.docker.guarded_files import read_below, write_below

_EVIDENCE = TypeAdapter(Evidence)


class JobDirectories:
    """The folders of one target."""

    def __init__(self, state: Path) -> None:
        self._agent_roots = state / "boxes"
        self._jobs = state / "jobs"
        for folder in (self._agent_roots, self._jobs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def fill(self, name: str, job: Mapping[str, Any], owner: tuple[int, int]) -> None:
        """Make the folders, with the job written down in them, all belonging to `owner`.

        Twice is fine, before the container runs. A power cut may undo it: whoever starts a
        container that was made before fills its box again.
        """
        folder, agent_root = self._jobs / name, self._agent_roots / name
        # What is mounted into the box needs a place there, or the engine would make one for root.
        places = [
            agent_root / "jobs" / name,
            agent_root / "snapshots" / (job.get("snapshot") or ""),
        ]
        for path in (folder, *places):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(folder / "job.json", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(file, "w") as text:
            json.dump(job, text)
        if (os.geteuid(), os.getegid()) != owner:
            for path in (folder, folder / "job.json", agent_root, *agent_root.rglob("*")):
                os.chown(path, *owner, follow_symlinks=False)

    def names(self) -> list[str]:
        """The jobs that have folders."""
        return [path.name for path in self._jobs.iterdir()]

    def is_there(self, name: str) -> bool:
        """Whether the job still has a folder."""
        return (self._jobs / name).is_dir()

    def note_stop(self, name: str, grace: float) -> None:
        """Tell the shim of a running job how much time it has."""
        with suppress(OSError):  # it has no folder yet: the shim takes the job's own grace
            write_below(self._jobs / name, "stop", text=json.dumps({"grace": grace}))

    def exit_record(self, name: str) -> Evidence | None:
        """What the shim wrote about the job's end; None if it wrote nothing that makes sense."""
        return exit_record(self._jobs, name)

    def delete(self, name: str) -> None:
        """Delete the folders."""
        for folder in (self._agent_roots, self._jobs):
            shutil.rmtree(folder / name, ignore_errors=True)


def exit_record(folder: Path, *parts: str) -> Evidence | None:
    """The exit record in a job's folder; None if there is none that makes sense."""
    with suppress(OSError, ValueError):
        return _EVIDENCE.validate_json(read_below(folder, *parts, "exit.json"))
    return None
