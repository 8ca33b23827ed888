"""The two folders of each job in a dedicated container, on this machine.

The container may write to nothing else: to the job directory (docs/protocol.md, section 2), and to
the agent's root around it, which is also the home of the container's user.

    <state>/boxes/<job name>/      mounted as /dispatcher-root (the name on disk of version 0.1)
    <state>/jobs/<job name>/       mounted as /dispatcher-root/jobs/<job name>

The folders belong to the container's user, who may put anything there. Once the container runs they
are read through `guarded_files.py` only.
"""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from dispatcher.core.runs.jobs import Evidence
from targets.docker.guarded_files import read_below, write_below

_EVIDENCE = TypeAdapter(Evidence)


class JobDirectories:
    """The job directories of one target."""

    def __init__(self, state: Path) -> None:
        self._agent_roots = state / "boxes"
        self._jobs = state / "jobs"
        for folder in (self._agent_roots, self._jobs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def fill(self, name: str, job: Mapping[str, Any], owner: tuple[int, int]) -> None:
        """Create the folders with the job's file in them, owned by `owner`.

        It may be repeated before the container runs. A power cut may undo it, so a launcher that
        finds an existing container fills its folders again.
        """
        folder, agent_root = self._jobs / name, self._agent_roots / name
        # Without these mount points the engine would create them for root.
        folders = [
            agent_root / "jobs" / name,
            agent_root / "snapshots" / (job.get("snapshot") or ""),
        ]
        for path in (folder, *folders):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(folder / "job.json", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(file, "w") as text:
            json.dump(job, text)
        if (os.geteuid(), os.getegid()) != owner:
            for path in (folder, folder / "job.json", agent_root, *agent_root.rglob("*")):
                os.chown(path, *owner, follow_symlinks=False)

    def names(self) -> list[str]:
        """The names of the jobs that have folders."""
        return [path.name for path in self._jobs.iterdir()]

    def is_there(self, name: str) -> bool:
        """Whether the job has a folder."""
        return (self._jobs / name).is_dir()

    def note_stop(self, name: str, grace: float) -> None:
        """Write the grace of a stop for the shim of a running job."""
        with suppress(OSError):  # without a folder the shim uses the job's own grace
            write_below(self._jobs / name, "stop", text=json.dumps({"grace": grace}))

    def exit_record(self, name: str) -> Evidence | None:
        """The shim's exit record; None if there is no valid one."""
        return exit_record(self._jobs, name)

    def delete(self, name: str) -> None:
        """Delete the folders."""
        for folder in (self._agent_roots, self._jobs):
            shutil.rmtree(folder / name, ignore_errors=True)


def exit_record(folder: Path, *parts: str) -> Evidence | None:
    """The exit record in a job's folder; None if there is no valid one."""
    with suppress(OSError, ValueError):
        return _EVIDENCE.validate_json(read_below(folder, *parts, "exit.json"))
    return None
