"""A planted fault: a service that has just started marks what it finds placed as failed, instead of
looking at it. The sweep must find runs that failed by the record and completed in truth.
"""

import runpy
import sys
import time
from pathlib import Path
from typing import Any

runpy.run_path(str(Path(__file__).parents[1] / "named" / "sitecustomize.py"))
if "dispatcher.cli.main" in sys.orig_argv:
    from dispatcher.core import reconciliation
    from dispatcher.core.runs.lifecycle import Failed, Run, Status, step
    from dispatcher.engine import decide

    _settle, _move = reconciliation.settle, decide._Draft._move
    _placed_here: set[str] = set()

    def move(self: Any, run: Run, event: Any) -> None:
        _placed_here.add(run.id)
        _move(self, run, event)

    def settle(run: Run, seen: Any, now: float) -> Any:
        if run.status in (Status.PROVISIONING, Status.RUNNING) and run.id not in _placed_here:
            event = Failed(time.time(), {"error": {"code": "Lost", "message": "restarted"}})
            return step(run, event), [event], None
        return _settle(run, seen, now)

    setattr(decide._Draft, "_move", move)  # noqa: B010
    setattr(decide, "settle", settle)  # noqa: B010
