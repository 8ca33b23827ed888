"""A planted fault: what a killed collection has set aside stays there. The sweep must find it."""

import runpy
import sys
from pathlib import Path

runpy.run_path(str(Path(__file__).parents[1] / "named" / "sitecustomize.py"))
if "dispatcher.cli.main" in sys.orig_argv:
    from dispatcher.store.content.unused import HashedFiles

    HashedFiles.restore_all = lambda _self: 0  # type: ignore[assignment,method-assign]
