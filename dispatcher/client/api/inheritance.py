"""Tells the service on this machine what the runs of this process inherit (docs/inheritance.md)."""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import os
import re
import sys
from functools import lru_cache

from dispatcher.wire.inheritance import MAX_BYTES, Inheritance, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Mapping, Optional, Pattern, Tuple

    from dispatcher.client.api.connection import ApiConnection

log = logging.getLogger("dispatcher")
CHOICE = "DISPATCHER_INHERIT"  # patterns of names, separated by commas; unset: all but LEFT_OUT
# Ours, those of one shell, terminal, notebook, editor, unit of systemd, debugger or test, and
# those that say which rank of a gang the submitter is (of torchrun, MPI, Slurm, Horovod …).
LEFT_OUT = (
    "DISPATCHER_*", "AZUREML_*",
    "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID",  # MLflow itself sets the second for its children
    "_", "PWD", "OLDPWD", "SHLVL", "COLUMNS",
    "LINES", "WINDOWID", "TERM", "TERM_*", "TMUX", "TMUX_PANE", "STY", "SSH_CLIENT",
    "SSH_CONNECTION", "SSH_TTY", "GPG_AGENT_INFO", "GPG_TTY", "PS1", "PS2", "PS4",
    "PROMPT_COMMAND", "LS_COLORS", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR",
    "XDG_SESSION_*", "VSCODE_*", "ELECTRON_RUN_AS_NODE", "JPY_*", "PYDEVD_*", "PYTEST_*",
    "COV_CORE_*", "COVERAGE_*", "PYTHONIOENCODING", "PYTHONSTARTUP", "PYTHONINSPECT",
    "PYTHONUNBUFFERED", "INVOCATION_ID", "JOURNAL_STREAM", "NOTIFY_SOCKET", "LISTEN_*",
    "WATCHDOG_PID", "WATCHDOG_USEC", "MAINPID", "MANAGERPID", "SYSTEMD_EXEC_PID",
    "RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "ROLE_RANK", "ROLE_NAME", "WORLD_SIZE",
    "LOCAL_WORLD_SIZE", "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
    "TORCHELASTIC_*", "TF_CONFIG", "OMPI_*", "PMI_*", "PMIX_*", "MPI_LOCALRANKID",
    "MPI_LOCALNRANKS", "MV2_COMM_WORLD_*", "PALS_RANKID", "PALS_LOCAL_*", "FLUX_TASK_*",
    "JSM_NAMESPACE_*", "HOROVOD_RANK", "HOROVOD_SIZE", "HOROVOD_LOCAL_*", "HOROVOD_CROSS_*",
    "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_GTIDS", "SLURM_TASK_PID",
    "SLURM_NTASKS*", "SLURM_NPROCS", "SLURM_TASKS_PER_NODE", "SLURM_STEP_*", "SLURM_STEPID",
    "SLURM_SRUN_*", "SLURM_NNODES", "SLURM_JOB_NUM_NODES",
)  # fmt: skip
# Inherited whatever DISPATCHER_INHERIT says.
ESSENTIAL = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TMPDIR",
    "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "LD_LIBRARY_PATH",
)  # fmt: skip
_NOTEBOOK_BACKENDS = ("module://matplotlib_inline", "module://ipykernel")


def announce(connection: ApiConnection, again: bool = False) -> Optional[str]:
    """Give the service what runs inherit from this process, unless it has it.

    Args:
        connection: The service. One on another machine gets nothing.
        again: Give it although it was given on this connection before.

    Returns:
        What the spec of a run says: the content's hash; None if nothing is inherited.
    """
    if not connection.is_on_this_machine:
        return None
    content = encode(of_this_process())
    if len(content) > MAX_BYTES:
        log.warning(
            "the environment of this process is larger than %d bytes: its runs inherit only %s",
            MAX_BYTES, ", ".join(ESSENTIAL),
        )  # fmt: skip
        content = encode(of_this_process(""))
    digest = hashlib.sha256(content).hexdigest()
    if again or digest not in connection.held_inheritances:
        connection.send("PUT", f"/inheritances/{digest}", body=content)
        connection.held_inheritances.add(digest)
    return digest


def of_this_process(chosen: Optional[str] = None) -> Inheritance:
    """What a run inherits from this process.

    Args:
        chosen: Patterns of names; default: those of DISPATCHER_INHERIT, else nearly all.
    """
    chosen = os.environ.get(CHOICE) if chosen is None else chosen
    return Inheritance(
        _variables(os.environ, chosen),
        _interpreter(),
        tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else (),
        os.getpriority(os.PRIO_PROCESS, 0),
        _umask(),
    )


def _variables(environ: Mapping[str, str], chosen: Optional[str]) -> Dict[str, str]:
    if chosen is None:
        is_left_out = _expression(LEFT_OUT).match
        variables = {k: v for k, v in environ.items() if not is_left_out(k)}
    else:
        patterns = (*ESSENTIAL, *(part.strip() for part in chosen.split(",")))
        is_chosen = _expression(patterns).match
        variables = {k: v for k, v in environ.items() if is_chosen(k)}
    if variables.get("MPLBACKEND", "").startswith(_NOTEBOOK_BACKENDS):
        del variables["MPLBACKEND"]
    entries = variables.pop("PYTHONPATH", "").split(os.pathsep)
    others = [entry for entry in entries if entry and not _is_ours(entry)]
    if others:
        variables["PYTHONPATH"] = os.pathsep.join(others)
    return variables


@lru_cache(maxsize=8)
def _expression(patterns: Tuple[str, ...]) -> Pattern[str]:
    """The patterns as one: they are matched with each variable, for each run that is submitted."""
    return re.compile("|".join(map(fnmatch.translate, patterns)))


def _is_ours(entry: str) -> bool:
    """Whether an entry of PYTHONPATH is there for this product; a run has its own."""
    parts = ("client", "in_run", "context.py")
    shim = os.path.join(entry, os.pardir, *parts)
    return os.path.isfile(os.path.join(entry, "dispatcher", *parts)) or (
        os.path.basename(entry.rstrip(os.sep)) == "azureml_shim"
        and os.path.isfile(os.path.normpath(shim))
    )


def _interpreter() -> str:
    """The interpreter of this process, whose packages the user has at hand.

    The program `dispatcher` may be installed apart from them. Then it is the active environment's.
    """
    from_outside = os.path.basename(sys.argv[0] if sys.argv else "") in ("dispatcher", "az")
    prefix = os.environ.get("VIRTUAL_ENV") or os.environ.get("CONDA_PREFIX")
    if from_outside and prefix:
        python = os.path.join(prefix, "bin", "python")
        if os.access(python, os.X_OK):
            return python
    return sys.executable or ""


def _umask() -> Optional[int]:
    """The umask, without changing it for an instant; None where the system does not show it."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except (OSError, ValueError):
        return None
    return None
