"""A planted fault: a service that starts does not count the trials that are open, and its keys are
its own, so that the store's constraint does not hold it back. The test must find cells twice.
"""

import os
import sys
from dataclasses import replace
from typing import Any

os.environ.pop("PYTHONPATH", None)
if "dispatcher.cli.main" in sys.orig_argv:
    from dispatcher.core.sweeps import trial_spec as _trial_spec
    from dispatcher.engine import sweeper
    from dispatcher.engine.sweep_book import Book

    _new = Book._new
    _made_here: set[int] = set()

    def trial_spec(spec: Any, cell: Any) -> Any:
        _made_here.add(cell.number)
        return _trial_spec(spec, replace(cell, key=f"{cell.key}{os.getpid()}"))

    def new(self: Book, run: Any) -> Any:
        entry = _new(self, run)
        if entry is not None and entry.open and entry.number not in _made_here:
            del self._replicas[entry.digest]
            self._ordinals -= 1
        return entry

    setattr(sweeper, "trial_spec", trial_spec)  # noqa: B010
    setattr(Book, "_new", new)  # noqa: B010
