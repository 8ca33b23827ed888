"""The limit of open files of our own processes: raised for them, and not for jobs."""

from __future__ import annotations

import resource


def raise_file_limit() -> int:
    """Raise the soft limit of this process to its hard limit; returns what the soft limit was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    set_file_limit(hard)
    return soft


def set_file_limit(soft: int) -> None:
    """Set the soft limit of this process, as far as its hard limit allows that."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (ValueError, OSError):  # some systems allow less than their hard limit says
        return
