"""A planted fault: the service acknowledges logs that are not on the disk yet."""

import os
import sys

os.environ.pop("PYTHONPATH", None)
if "dispatcher.cli.main" in sys.orig_argv:
    setattr(os, "fdatasync", lambda _descriptor: None)  # noqa: B010
