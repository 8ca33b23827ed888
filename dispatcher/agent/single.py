"""One job, as the main process of its container."""

from __future__ import annotations

import json
import os
import sys

from dispatcher.agent import cgroups, runtime
from dispatcher.agent.environment import inherited
from dispatcher.agent.folders import Root, check_name, write_json
from dispatcher.agent.shim import Place, Shim

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional

STARTED_BEFORE = 125
CANNOT_START = 127


def run_job(root_path: str, file: str, interpreter: Optional[str] = None) -> int:
    """Run the job, and return what to exit with: the script's exit code, 128 + n for a signal.

    127: it could not start; 125: it was started before, by anyone, and nothing was done. The exit
    record says it exactly. SIGTERM ends the job, with the job's grace.

    Args:
        root_path: The root; the snapshot, if the job has one, is in its `snapshots`.
        file: The job, as JSON.
        interpreter: What `python` means for it.
    """
    with open(file, encoding="utf-8") as text:
        job: Dict[str, Any] = json.load(text)
    name = check_name(job.get("name"))
    root = Root(root_path)
    root.prepare()
    folder = root.job(name)
    os.makedirs(folder, exist_ok=True)
    if os.path.abspath(file) != f"{folder}/job.json":
        write_json(f"{folder}/job.json", job)
    shim = Shim(_place(root, interpreter), {"name": name, "start": "fresh"})
    shim.run()
    return STARTED_BEFORE if shim.record is None else exit_code(shim.record)


def exit_code(record: Dict[str, Any]) -> int:
    """What a process that ended so would be reported as by a shell."""
    if record["signal"] is not None:
        return 128 + int(record["signal"])
    if record["exit_code"] is None:
        return CANNOT_START
    return int(record["exit_code"])


def _place(root: Root, interpreter: Optional[str]) -> Place:
    base = inherited(os.environ, runtime.own_path())
    return Place(
        root,
        cgroups.detect("dispatcher"),
        base,
        runtime.materialise(root.runtime, interpreter or sys.executable),
        interpreter or sys.executable,
    )
