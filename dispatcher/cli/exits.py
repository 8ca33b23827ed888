"""Exit codes that a script can rely on; docs/cli.md lists them."""

from enum import IntEnum


class Exit(IntEnum):
    OK = 0
    FAILED = 1  # the run failed
    USAGE = 2  # the command or its arguments are not valid
    CANCELED = 3  # the run was canceled
    NOT_FOUND = 4
    UNREACHABLE = 5  # no service answers
    TIMEOUT = 6  # --timeout has expired; the run continues
    PIPE_CLOSED = 141  # as a shell reports SIGPIPE; a run continues


BY_STATUS = {"Completed": Exit.OK, "Failed": Exit.FAILED, "Canceled": Exit.CANCELED}
