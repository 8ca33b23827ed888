"""Starts the processes of a job: a fresh interpreter by vfork, or a fork of this one."""

from __future__ import annotations

import errno
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping, Optional

# Signals that Python ignores or the shim blocks; a new program gets the default action.
_DEFAULTED = (
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGPIPE,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGXFSZ,
)
_BASH = "/bin/bash"
_PYTHON_NAMES = ("python", "python3")


class CannotStart(Exception):
    """The job can never start as it is; the text is the reason."""


def interpreter_of(requested: Optional[str], default: str, environment: Mapping[str, str]) -> str:
    """The path of the requested interpreter.

    `python`, or no name, is the agent's default; other names are looked up in the job's PATH. A
    name that is not found is returned as it is, and the start reports it.
    """
    if not requested or requested in _PYTHON_NAMES:
        return default
    if os.sep in requested:
        return requested
    for folder in environment.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, requested)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return requested


def command_line(job: Mapping[str, Any], interpreter: str, arguments: List[str]) -> List[str]:
    """The program and its arguments. A command is run by bash, or by sh where there is no bash.

    Raises:
        CannotStart: The script does not exist.
    """
    if job.get("command") is not None:
        shell = _BASH if os.access(_BASH, os.X_OK) else "/bin/sh"
        return [shell, "-c", job["command"], *(["sh", *arguments] if arguments else [])]
    script = job.get("script")
    if not script:
        raise CannotStart("the job names neither a script nor a command")
    if not os.path.isfile(script):
        where = "the snapshot has" if job.get("snapshot") else "there is"
        raise CannotStart(f"{where} no file {script!r}")
    if os.sep not in interpreter:
        raise CannotStart(f"there is no interpreter {interpreter!r}")
    return [interpreter, script, *arguments]


def start_fresh(arguments: List[str], environment: Dict[str, str], log: int) -> int:
    """Start a program in a session of its own; stdin is empty, stdout and stderr go to the log.

    Returns:
        The process id.

    Raises:
        CannotStart: The program is missing or cannot be executed.
    """
    try:
        return _spawn(arguments, environment, log)
    except (OSError, ValueError) as error:
        raise CannotStart(_why(error, arguments[0])) from error


def _spawn(arguments: List[str], environment: Dict[str, str], log: int) -> int:
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
    ]
    try:
        return os.posix_spawn(
            arguments[0],
            arguments,
            environment,
            file_actions=actions,
            setsid=True,
            setsigmask=(),
            setsigdef=_DEFAULTED,
        )
    except NotImplementedError:  # the C library has no POSIX_SPAWN_SETSID
        return _popen(arguments, environment, log)


def _popen(arguments: List[str], environment: Dict[str, str], log: int) -> int:
    import subprocess

    masked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        process = subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=False,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)
    process.returncode = 0  # the shim collects it with waitpid, not through this object
    return process.pid


def _why(error: Exception, program: str) -> str:
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.E2BIG:
        return "its arguments and environment are larger than this system allows"
    if number == errno.ENOENT and os.path.exists(program):
        return f"{program!r} names an interpreter that is not there"
    if number == errno.ENOENT:
        return f"there is no interpreter {program!r}"
    if number in (errno.EACCES, errno.ENOEXEC):
        return f"{program!r} is not executable"
    return f"{program!r}: {error}"
