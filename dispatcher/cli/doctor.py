"""`dispatcher doctor`: checks the installation and names the command that repairs a fault."""

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dispatcher.cli.command import Shown
from dispatcher.cli.context import CommandContext
from dispatcher.cli.exits import Exit
from dispatcher.client.api import health, service, targets

Check = dict[str, Any]


def doctor(scope: CommandContext) -> Shown:
    """Check this machine and the workspace's service; exit code 1 if something is wrong."""
    checks = [*_machine(), *_service(scope.workspace)]
    fine = all(check["ok"] for check in checks)
    return Shown(checks, ("what", "ok", "found", "way_out"), Exit.OK if fine else Exit.FAILED)


def _machine() -> Iterator[Check]:
    yield _check("python", sys.version_info >= (3, 11), platform.python_version(), "Python 3.11")
    yield _check("system", sys.platform == "linux", platform.platform(), "runs are kept on Linux")
    for module in ("docker", "ray"):
        there = importlib.util.find_spec(module) is not None
        hint = (
            "" if there else f"for such targets: pip install 'compute-target-dispatcher[{module}]'"
        )
        yield {"what": f"{module} package", "ok": True, "found": str(there), "way_out": hint}
    yield {"what": "git", "ok": True, "found": str(shutil.which("git")), "way_out": ""}
    cgroup = _cgroup()
    hint = "" if cgroup else "process trees are then ended by walking them; works, but slower"
    yield {"what": "cgroup v2 writable", "ok": True, "found": str(cgroup), "way_out": hint}


def _service(ws: Any) -> Iterator[Check]:
    data = Path(ws.data_folder)
    running = ws.location != "local" or service.find(str(data)) is not None
    yield _check("service", True, "runs" if running else "not started yet", "")
    if not running:
        return
    answer = health.read(ws.service)
    yield _check("service answers", answer["ok"], answer["version"], f"see {data}/service.log")
    yield from _faults(health.diagnostics(ws.service), str(data / "service.log"))
    for target in targets.read_all(ws.service):
        hint = f"dispatcher computetarget ping {target['name']}"
        yield _check(f"target {target['name']}", target["answers"], str(target["capacity"]), hint)
        yield from _orphans(target["name"], target["orphan_jobs"])


def _faults(diagnostics: dict[str, Any], log: str) -> Iterator[Check]:
    """A store that takes no writes, and runs for which what is to be done fails."""
    fault = diagnostics["store"]
    yield _check("service stores", fault is None, fault or "yes", f"see {log}")
    for parked in diagnostics["parked_runs"]:
        way_out = f"see {log}; to give it up: dispatcher run cancel {parked['run']}"
        yield _check(f"run {parked['run']}", False, f"left alone: {parked['reason']}", way_out)


def _orphans(name: str, orphans: dict[str, str]) -> Iterator[Check]:
    """What a target has and no run accounts for holds what the scheduler takes for free."""
    if orphans:
        some = ", ".join(sorted(orphans)[:3]) + (", …" if len(orphans) > 3 else "")
        found = f"{len(orphans)} orphan jobs (no run accounts for them): {some}"
        way_out = f"to end them: dispatcher computetarget clear {name}"
        yield _check(f"target {name}: orphan jobs", False, found, way_out)


def _cgroup() -> str | None:
    places = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
    there = (p for p in places if Path(p, "cgroup.controllers").exists())
    return next((p for p in there if os.access(p, os.W_OK)), None)


def _check(what: str, ok: bool, found: str, way_out: str) -> Check:
    return {"what": what, "ok": ok, "found": found, "way_out": "" if ok else way_out}
