"""Twelve ways to end, and the verdict that each must get on every target. Plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ending:
    """A script (or a missing one), and what is to be said of its end."""

    name: str
    script: str
    status: str
    words: tuple[str, ...] = ()
    exit_code: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    script_name: str = "main.py"


ENDINGS = (
    Ending("exit 0", "print('done')", "Completed", exit_code=0),
    Ending("exit 3", "import sys; sys.exit(3)", "Failed", ("code 3",), 3),
    Ending("exit 255", "import os; os._exit(255)", "Failed", ("code 255",), 255),
    Ending("SystemExit with text", "raise SystemExit('no data')", "Failed", ("no data",), 1),
    Ending("uncaught exception", "1 / 0", "Failed", ("ZeroDivisionError", "code 1"), 1),
    Ending("syntax error", "def (:", "Failed", ("SyntaxError", "code 1"), 1),
    Ending("exit 0 after an exception in a thread",
           "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()",
           "Completed", exit_code=0),
    Ending("SIGSEGV", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
           "Failed", ("SIGSEGV",)),
    Ending("SIGKILL", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
           "Failed", ("SIGKILL",)),
    Ending("time limit", "import time; time.sleep(60)", "Failed", ("time limit",),
           fields={"max_run_duration_seconds": 1}),
    Ending("missing interpreter", "pass", "Failed", ("cannot start", "no-such-python"),
           fields={"interpreter": "no-such-python"}),
    Ending("missing script", "pass", "Failed", ("cannot start", "gone.py"),
           script_name="gone.py"),
)  # fmt: skip
