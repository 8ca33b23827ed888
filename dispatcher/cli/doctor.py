"""`dispatcher doctor`: checks the installation and names the command that repairs a fault."""

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dispatcher.cli.command import CommandResult
from dispatcher.cli.context import CommandContext
from dispatcher.cli.exits import Exit
from dispatcher.client.api import health, service, targets

Check = dict[str, Any]


def doctor(scope: CommandContext) -> CommandResult:
    """Check this machine and the workspace's service; exit code 1 if something is wrong."""
    checks = [*_machine(), *_service(scope.workspace)]
    is_healthy = all(check["ok"] for check in checks)
    return CommandResult(
        checks, ("check", "ok", "result", "fix"), Exit.OK if is_healthy else Exit.FAILED
    )


def _machine() -> Iterator[Check]:
    yield _check("python", sys.version_info >= (3, 11), platform.python_version(), "Python 3.11")
    yield _check("system", sys.platform == "linux", platform.platform(), "dispatcher needs Linux")
    for module in ("docker", "ray"):
        is_installed = importlib.util.find_spec(module) is not None
        hint = (
            ""
            if is_installed
            else f"for {module} targets: pip install 'compute-target-dispatcher[{module}]'"
        )
        yield {"check": f"{module} package", "ok": True, "result": str(is_installed), "fix": hint}
    yield {"check": "git", "ok": True, "result": str(shutil.which("git")), "fix": ""}
    cgroup = _cgroup()
    hint = "" if cgroup else "without it, process trees are ended by walking them, which is slower"
    yield {"check": "cgroup v2 writable", "ok": True, "result": str(cgroup), "fix": hint}


def _service(ws: Any) -> Iterator[Check]:
    data = Path(ws.data_folder)
    running = ws.location != "local" or service.find(str(data)) is not None
    yield _check("service", True, "running" if running else "not started yet", "")
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
    """Checks for a store that fails on writes, and for parked runs."""
    fault = diagnostics["store"]
    yield _check("service stores", fault is None, fault or "yes", f"see {log}")
    for parked in diagnostics["parked_runs"]:
        fix = f"see {log}; to end it: dispatcher run cancel {parked['run']}"
        yield _check(f"run {parked['run']}", False, f"parked: {parked['reason']}", fix)


def _orphans(name: str, orphans: dict[str, str]) -> Iterator[Check]:
    """A check for orphan jobs, which use resources that the scheduler counts as free."""
    if orphans:
        examples = ", ".join(sorted(orphans)[:3]) + (", …" if len(orphans) > 3 else "")
        result = f"{len(orphans)} orphan jobs (no run accounts for them): {examples}"
        fix = f"to end them: dispatcher computetarget clear {name}"
        yield _check(f"target {name}: orphan jobs", False, result, fix)


def _cgroup() -> str | None:
    folders = ("/sys/fs/cgroup/unified", "/sys/fs/cgroup")
    mounted = (p for p in folders if Path(p, "cgroup.controllers").exists())
    return next((p for p in mounted if os.access(p, os.W_OK)), None)


def _check(name: str, ok: bool, result: str, fix: str) -> Check:
    return {"check": name, "ok": ok, "result": result, "fix": "" if ok else fix}
