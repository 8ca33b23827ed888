"""Exit codes that a script can rely on; docs/cli.md lists them."""

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAILED = 1  # the run failed
    USAGE = 2  # what was asked for cannot be
    CANCELED = 3  # the run was canceled
    NOT_FOUND = 4
    UNREACHABLE = 5  # no service answers
    TIMEOUT = 6  # --timeout ran out; the run goes on


BY_STATUS = {"Completed": Exit.OK, "Failed": Exit.FAILED, "Canceled": Exit.CANCELED}
