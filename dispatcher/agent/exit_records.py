"""Exit records: how a job ended (docs/protocol.md, section 2)."""

from __future__ import annotations

import os
import signal
import time

from dispatcher.agent.folders import read_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

    from dispatcher.agent.process_watch import ProcessWatch

TAIL = 2048
MAX_ERROR_BYTES = 1 << 16


def exit_record(
    watch: ProcessWatch,
    started_at: float,
    logs: Dict[int, str],
    oom: bool,
    memory_mb: Optional[int],
) -> Dict[str, Any]:
    """The record of a job that ran, once none of its processes is alive.

    Args:
        watch: The ended watch over its processes.
        started_at: When it was started.
        logs: The log of each rank.
        oom: Whether the kernel killed a process for memory meanwhile.
        memory_mb: The job's own limit; without one the kill may concern another job.
    """
    ranks = sorted(watch.ended)
    bad = [rank for rank in ranks if watch.ended[rank]]
    rank = watch.failed_rank if watch.failed_rank is not None else (bad or ranks)[0]
    code, number = _decoded(watch.ended[rank])
    by_itself = "exited" if number is None else "signaled"
    killed = number == signal.SIGKILL and watch.reason is None
    gang = len(watch.ended) > 1
    record = refusal(watch.reason or by_itself)
    record.update(
        started_at=started_at,
        exit_code=code,
        signal=number,
        oom=oom and (memory_mb is not None or killed),
        tail=_tail(logs[rank]),
        receipt=watch.receipt,
        failed_rank=watch.failed_rank if gang else None,
    )
    return record


def with_error(record: Dict[str, Any], folder: str) -> Dict[str, Any]:
    """Add the error that the script set with `run.fail()`, if it set one."""
    path = f"{folder}/error.json"
    if os.path.exists(path) and os.path.getsize(path) <= MAX_ERROR_BYTES:
        error = read_json(path)
        if error is not None:
            record["error"] = error
    return record


def refusal(reason: str) -> Dict[str, Any]:
    """The record of a job that never ran, or that has no record of its shim.

    The exit code is null, also when the interpreter or the script is missing: no process exited.
    """
    return {
        "exit_code": None,
        "signal": None,
        "reason": reason,
        "oom": False,
        "started_at": None,
        "ended_at": time.time(),
        "tail": "",
        "receipt": [],
        "failed_rank": None,
    }


def _decoded(status: int) -> Tuple[Optional[int], Optional[int]]:
    """A wait status as exit code or signal; the other one is None."""
    if os.WIFSIGNALED(status):
        return None, os.WTERMSIG(status)
    return os.WEXITSTATUS(status), None


def _tail(path: str) -> str:
    try:  # a script may have replaced it with a pipe
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        size = os.fstat(descriptor).st_size
        return os.pread(descriptor, TAIL, max(0, size - TAIL)).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
