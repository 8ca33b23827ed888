"""A planted fault: garbage collection deletes what it has marked once, without a look at what was
used since. The sweep must find what is lost.
"""

import runpy
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

runpy.run_path(str(Path(__file__).parents[1] / "named" / "sitecustomize.py"))
if "dispatcher.cli.main" in sys.orig_argv:
    from dispatcher.services.collection.collected import Collected
    from dispatcher.services.collection.contents import ContentCollector

    def delete(
        _self: ContentCollector, files: Any, unused: Sequence[Any], _before: float
    ) -> tuple[Collected, list[Any]]:
        time.sleep(1.0)  # there is as much time in a large workspace
        for file in unused:
            files.set_aside(file.key)
            files.discard(file.key)
        return Collected.of(unused), []

    ContentCollector._delete = delete  # type: ignore[assignment,method-assign]
