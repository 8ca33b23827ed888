"""Threads of the service carry their names in the process table, so that one of them can be traced.
With CHAOS_HOLD set, the service goes on only once somebody traces it.

Only the service: its environment forgets both, so nothing that it starts is touched.
"""

import os
import threading
import time
from pathlib import Path

os.environ.pop("PYTHONPATH", None)
_bootstrap = getattr(threading.Thread, "_bootstrap")  # noqa: B009


def _named(self: threading.Thread) -> None:
    Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(self.name[:15])
    _bootstrap(self)


def _is_traced() -> bool:
    return "TracerPid:\t0\n" not in Path("/proc/self/status").read_text()


setattr(threading.Thread, "_bootstrap", _named)  # noqa: B010
if os.environ.pop("CHAOS_HOLD", ""):
    while not _is_traced():
        time.sleep(0.001)
