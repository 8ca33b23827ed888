"""Runs one job, as the main process of its container.

The modules that fetch snapshots and ship telemetry are imported inside functions: a container whose
target does both from outside does not need them, and they would double its start-up time.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from dispatcher.agent import cgroups, relay
from dispatcher.agent.exit_records import refusal
from dispatcher.agent.folders import Root, check_name, read_json, write_json
from dispatcher.agent.origin import PRIVATE_PACKAGE, is_runtime, own_path
from dispatcher.agent.process_environment import inherited
from dispatcher.agent.process_watch import WAKING
from dispatcher.agent.starting.shim import Shim, ShimContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional

    from dispatcher.agent.shipping.shipper import Shipper

STARTED_BEFORE = 125
CANNOT_START = 127
# Seconds that the last telemetry waits for an unreachable service. It cannot be shipped later,
# because the container ends. A job that was stopped waits less.
PATIENCE = 60.0
PATIENCE_WHEN_STOPPED = 5.0
# As a program: it exits at once, because the interpreter's teardown takes time.
CODE = (
    f"import os, sys; from {PRIVATE_PACKAGE}.agent.starting.single_job import run_job; "
    "code = run_job(*sys.argv[1:]); sys.stdout.flush(); sys.stderr.flush(); os._exit(code)"
)


def run_job(root_path: str, file: str, interpreter: Optional[str] = None) -> int:
    """Run the job, and return what to exit with: the script's exit code, 128 + n for a signal.

    127: the job could not start; 125: its name was started before, and nothing was done. The exit
    record has the details. SIGTERM ends the job with its grace. `service.json` in the root has the
    fields of `configure` (docs/protocol.md, section 3). Without it the snapshot has to be in the
    root, and no telemetry is shipped.

    Args:
        root_path: The root.
        file: The job, as JSON.
        interpreter: The interpreter that `python` means for it.
    """
    signal.pthread_sigmask(
        signal.SIG_BLOCK, WAKING
    )  # in all threads, because the shim waits for these signals
    with open(file, encoding="utf-8") as text:
        job: Dict[str, Any] = json.load(text)
    name = check_name(job.get("name"))
    root = Root(root_path)
    root.prepare()
    folder = root.job(name)
    os.makedirs(folder, exist_ok=True)
    write_json(f"{folder}/job.json", job)
    settings = read_json(f"{root.path}/service.json") or {}
    refused = _fetch(root, job, settings.get("service"))
    if refused is not None:
        if root.claim(name):
            write_json(f"{folder}/exit.json", refusal(refused), durable=True)
        return CANNOT_START
    relay.start()
    record = _run(root, job, settings, interpreter or sys.executable)
    return STARTED_BEFORE if record is None else exit_code(record)


def exit_code(record: Mapping[str, Any]) -> int:
    """The exit code that a shell would report for the record."""
    if record["signal"] is not None:
        return 128 + int(record["signal"])
    if record["exit_code"] is None:
        return CANNOT_START
    return int(record["exit_code"])


def _run(
    root: Root, job: Mapping[str, Any], settings: Mapping[str, Any], interpreter: str
) -> Optional[Dict[str, Any]]:
    shipper = None if settings.get("service") is None else _shipper(root, job, settings)
    shim = Shim(_context(root, interpreter), {"name": job["name"], "start": "fresh"}, alone=True)
    shim.run()
    if shipper is not None and shim.record is not None:
        shipper.finish(job["name"], job)
        stopped = shim.record["reason"] == "stopped"
        shipper.drain(PATIENCE_WHEN_STOPPED if stopped else PATIENCE)
        shipper.close()
    return shim.record


def _shipper(root: Root, job: Mapping[str, Any], settings: Mapping[str, Any]) -> Shipper:
    from dispatcher.agent.shipping.shipper import DEFAULT_LOG_LIMIT, Shipper
    from dispatcher.agent.shipping.telemetry_source import TelemetrySource

    shipper = Shipper(TelemetrySource(root), lambda _: None, lambda _: None)
    limit = settings.get("log_limit")
    shipper.configure(settings["service"], DEFAULT_LOG_LIMIT if limit is None else int(limit))
    shipper.follow(job["name"], job)
    shipper.start()
    return shipper


def _context(root: Root, interpreter: str) -> ShimContext:
    path = folder = own_path()
    if not is_runtime(path):
        from dispatcher.agent.runtime import materialise

        folder = materialise(root.runtime, interpreter)
    base = inherited(os.environ, path)
    return ShimContext(root, cgroups.detect("dispatcher"), base, folder, interpreter)


def _fetch(
    root: Root, job: Mapping[str, Any], service: Optional[Mapping[str, Any]]
) -> Optional[str]:
    """Fetch the job's snapshot if needed; returns the reason if the job cannot start."""
    snapshot = job.get("snapshot")
    if snapshot is None:
        return None
    if service is None:  # the target has put it here, and checked it
        is_here = os.path.isdir(os.path.join(root.snapshots, os.path.basename(snapshot)))
        missing = (
            f"cannot start: snapshot {snapshot} is not on the node, and no service is configured"
        )
        return None if is_here else missing
    return _fetch_from(service, root, snapshot)


def _fetch_from(service: Mapping[str, Any], root: Root, snapshot: str) -> Optional[str]:
    from dispatcher.agent.snapshot_cache import SnapshotCache

    ends: List[Optional[str]] = []

    def done(_snapshot: str, error: Optional[str]) -> None:
        ends.append(error)
        os.kill(os.getpid(), signal.SIGUSR1)

    snapshots = SnapshotCache(root.snapshots, done)
    if snapshots.has(snapshot):
        return None
    snapshots.configure(service)
    snapshots.fetch(snapshot)
    while not ends:
        number = signal.sigwait(WAKING)
        if number in (signal.SIGTERM, signal.SIGINT):
            snapshots.close()
            return "stopped"
    return None if ends[0] is None else f"cannot start: snapshot {snapshot}: {ends[0]}"
