"""A planted fault: each process of the service gives jobs names of its own, so that the claims of
the one before it count for nothing. The sweep must find attempts that start twice.
"""

import os
import runpy
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

runpy.run_path(str(Path(__file__).parents[1] / "named" / "sitecustomize.py"))
if "dispatcher.cli.main" in sys.orig_argv:
    from targets.local import LocalTarget

    MINE = f".{os.getpid()}"
    _launch, _poll = LocalTarget.launch, LocalTarget.poll
    _stop, _remove, _watch = LocalTarget.stop, LocalTarget.remove, LocalTarget.watch

    def launch(self: LocalTarget, jobs: Sequence[Any]) -> Mapping[str, Any]:
        return _launch(self, [replace(job, name=job.name + MINE) for job in jobs])

    def poll(self: LocalTarget, names: Collection[str]) -> Mapping[str, Any]:
        return _without(_poll(self, [name + MINE for name in names]))

    def stop(self: LocalTarget, names: Collection[str], grace: float) -> None:
        _stop(self, [name + MINE for name in names], grace)

    def remove(self: LocalTarget, names: Collection[str]) -> None:
        _remove(self, [name + MINE for name in names])

    def watch(self: LocalTarget, report: Any) -> None:
        _watch(self, lambda seen: report(_without(seen)))

    def _without(seen: Mapping[str, Any]) -> dict[str, Any]:
        return {n.removesuffix(MINE): o for n, o in seen.items() if n.endswith(MINE)}

    for method in (launch, poll, stop, remove, watch):
        setattr(LocalTarget, method.__name__, method)
