"""Makes a forked process behave as `python script arguments`.

These differences to a fresh interpreter remain: the hash seed is the fork server's, `sys.modules`
holds the preloaded modules, and a printed stack has the fork server's frames above the script's.
"""

from __future__ import annotations

import _thread
import atexit
import gc
import io
import os
import signal
import sys
import time
from importlib.machinery import SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any, Dict, FrozenSet, List, NoReturn, Tuple

_RESET = (signal.SIGCHLD, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1)
_FLUSH_FAILED = 120
_user_folders: List[str] = []  # those of the script's own modules


def run_script(
    arguments: List[str],
    environment: Dict[str, str],
    inherited: Dict[str, str],
    preloaded: FrozenSet[str],
) -> NoReturn:
    """Run the script as the main program of this process, and exit with its code.

    Args:
        arguments: The interpreter, the script and its arguments.
        environment: The whole environment.
        inherited: The present environment of this process.
        preloaded: The modules that were imported before the fork.
    """
    code, main = _become(arguments, environment, inherited)
    number = 0
    interrupted = False
    try:
        exec(code, main)
    except SystemExit as error:
        number = _exit_code(error)
    except BaseException as error:
        number = 1
        interrupted = isinstance(error, KeyboardInterrupt)
        _report(error)
    number = _finish(number, preloaded)
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(number)


def reset_signals() -> None:
    """Set the signal handlers of a fresh interpreter; forks inherit them."""
    for number in _RESET:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _become(
    arguments: List[str], environment: Dict[str, str], inherited: Dict[str, str]
) -> Tuple[CodeType, Dict[str, Any]]:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _set_environment(environment, inherited)
    if environment.get("TZ") != inherited.get("TZ"):
        time.tzset()
    _reseed()
    code = _compiled(arguments, environment)
    _set_paths(arguments, environment.get("PYTHONPATH", ""))
    gc.enable()
    return code, _fresh_main(code.co_filename)


def _set_environment(environment: Dict[str, str], inherited: Dict[str, str]) -> None:
    """Change only the variables that differ from the fork server's."""
    for name in inherited.keys() - environment.keys():
        del os.environ[name]
    for name, value in environment.items():
        if inherited.get(name) != value:
            os.environ[name] = value


def _reseed() -> None:
    """Reseed libraries that seed when they are imported; `random` reseeds itself after a fork."""
    numpy_random = sys.modules.get("numpy.random.mtrand")
    if numpy_random is not None:
        numpy_random.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()


def _compiled(arguments: List[str], environment: Dict[str, str]) -> CodeType:
    """The script's code. A script that does not compile is run by a fresh interpreter, which
    reports the error.
    """
    path = arguments[1]
    absolute = os.path.abspath(path) if sys.version_info >= (3, 9) else path
    try:
        with io.open_code(absolute) as file:
            return compile(file.read(), absolute, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OSError, UnicodeError, RecursionError, MemoryError):
        os.execve(arguments[0], arguments, environment)


def _set_paths(arguments: List[str], import_path: str) -> None:
    sys.argv[:] = arguments[1:]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = arguments
    folder = _folder_of(arguments[1])
    if getattr(sys.flags, "safe_path", False):
        return
    if sys.path and sys.path[0] == "":
        sys.path[0] = folder
    else:
        sys.path.insert(0, folder)
    added = [path for path in import_path.split(os.pathsep) if path and path not in sys.path]
    sys.path[1:1] = added
    _user_folders[:] = [folder, *added]
    for name in [p for p, finder in sys.path_importer_cache.items() if finder is None]:
        del sys.path_importer_cache[name]


def _folder_of(script: str) -> str:
    """The real folder of a script. When a job starts its working directory has no links."""
    if os.path.isabs(script) or ".." in script:
        return os.path.dirname(os.path.realpath(script))
    return os.path.dirname(os.path.normpath(f"{os.getcwd()}/{script}"))


def _fresh_main(path: str) -> Dict[str, Any]:
    main = sys.modules["__main__"].__dict__
    builtins = sys.modules["builtins"]
    main.clear()
    main.update(
        __name__="__main__",
        __doc__=None,
        __package__=None,
        __loader__=SourceFileLoader("__main__", path),
        __spec__=None,
        __annotations__={},
        __builtins__=builtins,
        __file__=path,
        __cached__=None,
    )
    return main


def _exit_code(error: SystemExit) -> int:
    """The exit code that `python` would use; a text is printed."""
    code = error.code
    _flush_quietly()
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 0xFF
    try:
        print(code, file=sys.stderr)
    except BaseException:  # as `python` does: no stream is left to report to
        sys.stderr = None
    return 1


def _report(error: BaseException) -> None:
    """Print the error as the interpreter does, without the frame that started the script."""
    _flush_quietly()
    traceback = error.__traceback__
    traceback = traceback.tb_next if traceback is not None else None
    error = error.with_traceback(traceback)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, traceback
    try:
        sys.excepthook(type(error), error, traceback)
    except BaseException as second:
        sys.stderr.write("Error in sys.excepthook:\n")
        inner = second.__traceback__
        sys.__excepthook__(type(second), second, inner.tb_next if inner is not None else None)
        sys.stderr.write("\nOriginal exception was:\n")
        sys.__excepthook__(type(error), error, traceback)


def _finish(number: int, preloaded: FrozenSet[str]) -> int:
    """Do the part of an interpreter's end that a script can observe; skip the other teardown."""
    threading = sys.modules.get("threading")
    if threading is not None:
        _quietly(threading._shutdown)
    _quietly(atexit._run_exitfuncs)
    failed = not _flush_all()
    _release_objects(preloaded)
    _flush_all()
    return _FLUSH_FAILED if failed else number


def _release_objects(preloaded: FrozenSet[str]) -> None:
    """Drop the script's objects, so that its files are flushed and finalisers run."""
    if _thread._count():  # daemon threads still use their globals
        _flush_open_files()
        return
    modules = _imported(preloaded)
    _clear(sys.modules["__main__"].__dict__)
    gc.collect()
    for module in modules:
        if isinstance(module, type(sys)) and _is_users(module):
            _clear(module.__dict__)
    gc.collect()
    _flush_open_files()


def _imported(preloaded: FrozenSet[str]) -> List[Any]:
    """The modules that were imported since the fork, the last one first."""
    modules: List[Any] = []
    for name in reversed(
        sys.modules
    ):  # new modules are at the end; touching the others copies pages
        if name in preloaded and len(modules) == len(sys.modules) - len(preloaded):
            return modules
        if name not in preloaded:
            modules.append(sys.modules[name])
    return modules


def _is_users(module: Any) -> bool:
    """Whether a module belongs to the script; finalisers may still need libraries."""
    path = getattr(module, "__file__", None)
    return isinstance(path, str) and any(path.startswith(f + os.sep) for f in _user_folders)


def _clear(names: Dict[str, Any]) -> None:
    """Clear names as the interpreter does: those with one underscore first, then the others."""
    for private in (True, False):
        for name in list(names):
            if name == "__builtins__" or not isinstance(name, str):
                continue
            if (name.startswith("_") and not name.startswith("__")) is private:
                names[name] = None


def _flush_open_files() -> None:
    for stream in gc.get_objects():
        if isinstance(stream, (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            try:
                if not stream.closed:
                    stream.flush()
            except Exception:
                continue


def _flush_all() -> bool:
    """Flush stdout and stderr; False if that failed."""
    fine = True
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except BaseException as error:
            fine = False
            if stream is sys.stdout:
                _unraisable(error, stream)
    return fine


def _flush_quietly() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException:
        return


def _quietly(call: Any) -> None:
    try:
        call()
    except BaseException as error:
        _unraisable(error, call)


def _unraisable(error: BaseException, object_: Any) -> None:
    import types

    report = types.SimpleNamespace(
        exc_type=type(error),
        exc_value=error,
        exc_traceback=error.__traceback__,
        err_msg=None,
        object=object_,
    )
    try:
        sys.unraisablehook(report)
    except BaseException:
        return
