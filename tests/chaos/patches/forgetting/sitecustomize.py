"""A planted fault: a service that starts does not count the trials that are open, and its keys are
its own, so that the store's constraint does not hold it back. The test must find cells twice.
"""

import os
import sys
from dataclasses import replace
from typing import Any

os.environ.pop("PYTHONPATH", None)
if "dispatcher.cli.main" in sys.orig_argv:
    from dispatcher.core.sweeps.sweep import trial_spec as _trial_spec
    from dispatcher.engine import sweep_driver
    from dispatcher.engine.sweep_state import SweepState

    _new = SweepState._add
    _made_here: set[int] = set()

    def trial_spec(spec: Any, cell: Any) -> Any:
        _made_here.add(cell.number)
        return _trial_spec(spec, replace(cell, key=f"{cell.key}{os.getpid()}"))

    def new(self: SweepState, run: Any) -> Any:
        trial = _new(self, run)
        if trial is not None and trial.open and trial.number not in _made_here:
            del self._replicas[trial.digest]
            self._ordinals -= 1
        return trial

    setattr(sweep_driver, "trial_spec", trial_spec)  # noqa: B010
    setattr(SweepState, "_add", new)  # noqa: B010
