"""From evidence to verdict: whose fault an end was, what to tell the user, and whether to try
again.

Classes (the words of the error's `class` field):

- `user`      the script ended badly by itself: exit code, exception, signal of its own. Not retried
  by default.
- `resource`  it was given too little: out of memory. Retried only where asked.
- `infra`     the ground gave way: supervisor killed, node lost, container removed. Retried once by
  default.
- `policy`    it was ended by a rule: time limit, stopped by hand. Never retried.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from dispatcher.core.runs.jobs import Evidence
from dispatcher.core.runs.spec import Retries

Class = Literal["ok", "user", "resource", "infra", "policy"]
TROUBLESHOOTING = "docs/troubleshooting.md"
LOST = "the job is gone from its target"
RECORD_REMOVED = "its record was removed"  # so it had ended, and the store once knew how
BUILD_FAILED = "cannot start: the environment"
_RECORD_REMOVED = (
    "The run was started and has ended, but how is not known: its job's record was removed since. "
    "Was the service's database put back to an earlier state? It is not run again."
)
INFRA_REASONS = ("supervisor lost", "fenced", "lost", "target restarted", LOST)


@dataclass(frozen=True)
class Verdict:
    """Whose fault it was, a short code, and one sentence for the user."""

    cls: Class
    code: str
    message: str


def judge(evidence: Evidence) -> Verdict:
    """Say what an ended job's evidence means. `ok` needs exit code 0 and no kill for memory."""
    if evidence.ok:
        return Verdict("ok", "", "")
    if evidence.oom and evidence.exit_code != 0:
        return Verdict("resource", "OutOfMemory", "The run was killed: out of memory.")
    reason = evidence.reason
    if reason.startswith(INFRA_REASONS):
        return Verdict("infra", "InfrastructureLost", f"The run was lost: {reason}.")
    if reason == RECORD_REMOVED:
        return Verdict("infra", "RecordRemoved", _RECORD_REMOVED)
    if reason == "time limit":
        return Verdict("policy", "TimeLimit", "The run was stopped at its time limit.")
    if reason == "stopped":
        return Verdict("policy", "Stopped", "The run was stopped.")
    if reason.startswith(BUILD_FAILED):
        return Verdict("user", "EnvironmentBuildFailed", f"The run {reason}.")
    if reason.startswith("cannot start"):
        return Verdict("user", "CannotStart", f"The run {reason}.")
    if evidence.oom:
        return Verdict("resource", "OutOfMemory", "A process of the run was killed: out of memory.")
    rank = "" if evidence.failed_rank is None else f" of rank {evidence.failed_rank}"
    if evidence.signal is not None:
        return Verdict(
            "user", "UserError", f"The script{rank} was killed by {_name(evidence.signal)}."
        )
    return Verdict("user", "UserError", f"The script{rank} exited with code {evidence.exit_code}.")


def error_of(verdict: Verdict, evidence: Evidence | None = None) -> dict[str, Any]:
    """The error in v1's shape: text at ["error"]["message"], code at ["error"]["code"]."""
    inner: dict[str, Any] = {"code": verdict.code, "class": verdict.cls, "message": verdict.message}
    if evidence is not None and evidence.tail:
        inner["message"] += "\nLast lines of its log:\n" + evidence.tail.rstrip()
    if evidence is not None:
        inner["details"] = [
            {"exit_code": evidence.exit_code, "signal": evidence.signal, "oom": evidence.oom}
        ]
    return {"error": inner}


def may_retry(verdict: Verdict, spent: Mapping[str, int], allowed: Retries) -> bool:
    """Whether another attempt is due, given how many each class has spent already."""
    if verdict.code in ("EnvironmentBuildFailed", "RecordRemoved"):
        return False  # it would fail again; it would be done twice
    limit = {"infra": allowed.infra, "resource": allowed.resource, "user": allowed.user}
    return spent.get(verdict.cls, 0) < limit.get(verdict.cls, 0)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
