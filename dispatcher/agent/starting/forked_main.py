"""Turns a forked process into `python script arguments`, so that the script cannot tell.

What differs from a fresh interpreter and is not hidden: the hash seed is the forker's,
`sys.modules` holds what was preloaded, and a printed stack has the forker's frames above the
script's own.
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


def run_script(
    arguments: List[str],
    environment: Dict[str, str],
    inherited: Dict[str, str],
    preloaded: FrozenSet[str],
) -> NoReturn:
    """Run the script as the main program of this process, and leave with its exit code.

    Args:
        arguments: The interpreter, the script and its arguments.
        environment: The whole environment.
        inherited: What this process has as its environment.
        preloaded: The modules that were there before the fork.
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
    """What a fresh interpreter does with signals; inherited by what is forked."""
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
    _set_paths(arguments)
    gc.enable()
    return code, _fresh_main(code.co_filename)


def _set_environment(environment: Dict[str, str], inherited: Dict[str, str]) -> None:
    """Most of it is the forker's: only what differs is touched."""
    for name in inherited.keys() - environment.keys():
        del os.environ[name]
    for name, value in environment.items():
        if inherited.get(name) != value:
            os.environ[name] = value


def _reseed() -> None:
    """Own random numbers for libraries that seed when imported; `random` does it by itself."""
    numpy_random = sys.modules.get("numpy.random.mtrand")
    if numpy_random is not None:
        numpy_random.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()


def _compiled(arguments: List[str], environment: Dict[str, str]) -> CodeType:
    """The script's code. One that does not compile is left to a real interpreter to complain of."""
    path = arguments[1]
    absolute = os.path.abspath(path) if sys.version_info >= (3, 9) else path
    try:
        with io.open_code(absolute) as file:
            return compile(file.read(), absolute, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, OSError, UnicodeError, RecursionError, MemoryError):
        os.execve(arguments[0], arguments, environment)


def _set_paths(arguments: List[str]) -> None:
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
    for name in [p for p, finder in sys.path_importer_cache.items() if finder is None]:
        del sys.path_importer_cache[name]


def _folder_of(script: str) -> str:
    """Where a script really is. Below the working directory nothing is a link when a job starts."""
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
    """The exit code that `python` would have made of it; a text is printed."""
    code = error.code
    _flush_quietly()
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 0xFF
    try:
        print(code, file=sys.stderr)
    except BaseException:  # as `python` does: nothing is left to tell it to
        sys.stderr = None
    return 1


def _report(error: BaseException) -> None:
    """Print it as the interpreter would: without the frame that the script was started from."""
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
    """What a script can notice of an interpreter's end; the teardown that it cannot is left out."""
    threading = sys.modules.get("threading")
    if threading is not None:
        _quietly(threading._shutdown)
    _quietly(atexit._run_exitfuncs)
    failed = not _flush_all()
    _release_objects(preloaded)
    _flush_all()
    return _FLUSH_FAILED if failed else number


def _release_objects(preloaded: FrozenSet[str]) -> None:
    """Drop what the script holds, so that its files are flushed and its objects finalised."""
    if _thread._count():  # daemon threads go on and must not see their globals vanish
        _flush_open_files()
        return
    own = _imported(preloaded)
    _clear(sys.modules["__main__"].__dict__)
    gc.collect()
    for module in own:
        if isinstance(module, type(sys)) and _is_users(module):
            _clear(module.__dict__)
    gc.collect()
    _flush_open_files()


def _imported(preloaded: FrozenSet[str]) -> List[Any]:
    """The modules that came since, the last one first."""
    own: List[Any] = []
    for name in reversed(sys.modules):  # the new ones are at the end; to touch the others costs
        if name in preloaded and len(own) == len(sys.modules) - len(preloaded):
            return own
        if name not in preloaded:
            own.append(sys.modules[name])
    return own


def _is_users(module: Any) -> bool:
    """Whether a module came with the script: libraries are left whole, finalisers may need them."""
    folder = sys.path[0] if sys.path else ""
    path = getattr(module, "__file__", None)
    return isinstance(path, str) and bool(folder) and path.startswith(folder + os.sep)


def _clear(names: Dict[str, Any]) -> None:
    """As the interpreter does it: names with one underscore first, then the others."""
    for private in (True, False):
        for name in list(names):
            if name == "__builtins__" or not isinstance(name, str):
                continue
            if (name.startswith("_") and not name.startswith("__")) is private:
                names[name] = None


def _flush_open_files() -> None:
    for thing in gc.get_objects():
        if isinstance(thing, (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)):
            try:
                if not thing.closed:
                    thing.flush()
            except Exception:
                continue


def _flush_all() -> bool:
    """Flush stdout and stderr; False if what was printed could not be written."""
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


def _unraisable(error: BaseException, thing: Any) -> None:
    import types

    told = types.SimpleNamespace(
        exc_type=type(error),
        exc_value=error,
        exc_traceback=error.__traceback__,
        err_msg=None,
        object=thing,
    )
    try:
        sys.unraisablehook(told)
    except BaseException:
        return
