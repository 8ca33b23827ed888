"""Which submitters a compute target accepts. Pure.

A run in a container reaches only what its container holds. A child of that run on a target that
starts plain processes would act with the rights of the account that the target runs under: it
would read the files of that account, the token of the owner among them. So a target of plain
processes does not accept runs of containerised runs unless its owner sets `accepts` to `any-run`.
"""

from collections.abc import Mapping
from typing import Any

from dispatcher.access.principals import Kind, Principal
from dispatcher.core.errors import NotAllowed

USERS, PROCESS_RUNS, ANY_RUN = "users", "process-runs", "any-run"
CONTAINER_KINDS = ("docker",)
_WORDS = {
    USERS: "runs of users only",
    PROCESS_RUNS: "runs of users, and of runs on targets of plain processes",
}


def accepted(config: Mapping[str, Any]) -> str:
    """The value of `accepts` of a target's configuration, or the default of its kind."""
    default = ANY_RUN if config.get("kind") in CONTAINER_KINDS else PROCESS_RUNS
    return str(config.get("accepts") or default)


def check_accepts(
    submitter: Principal, target: str, configs: Mapping[str, Mapping[str, Any]]
) -> None:
    """Refuse a run that the target does not accept from this submitter.

    Args:
        submitter: Who submits.
        target: The name of the compute target.
        configs: The configurations of all targets, by name.

    Raises:
        NotAllowed: The text names the option that would allow it.
    """
    if submitter.kind is not Kind.RUN:
        return
    accepts = accepted(configs[target])
    if accepts == ANY_RUN:
        return
    own = configs.get(submitter.target, {})
    is_contained = not own or own.get("kind") in CONTAINER_KINDS
    if accepts == PROCESS_RUNS and not is_contained:
        return
    where = f"run {submitter.name} runs on {submitter.target!r}"
    if is_contained:
        where += ", in a container"
    raise NotAllowed(
        f"target {target!r} accepts {_WORDS[accepts]} (accepts={accepts}); {where}. The owner of "
        f"{target!r} can allow it: attach it with accepts=any-run (--accepts any-run)"
    )
