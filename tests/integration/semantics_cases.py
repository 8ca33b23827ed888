"""What a script may rely on, however and wherever it is started: scripts and their ends.

A case runs its files as a snapshot with `main.py` as the script. `out` is the whole log, with
`{dir}` for the script's folder; `contains` is a part of it. The targets' tests run the same cases.
"""

import signal
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """A script and its end."""

    name: str
    script: str
    out: str | None = None
    contains: str | None = None
    exit_code: int | None = 0
    signal: int | None = None
    arguments: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)  # files in the working directory afterwards

    def snapshot(self) -> dict[str, bytes]:
        """The files of its snapshot."""
        return {k: v.encode() for k, v in {"main.py": self.script, **self.files}.items()}


ENDINGS = [
    Case("exit 0", "pass"),
    Case("exit 1", "import sys; sys.exit(1)", exit_code=1),
    Case("exit 255", "import sys; sys.exit(255)", exit_code=255),
    Case("exit 256 is 0", "import sys; sys.exit(256)", exit_code=0),
    Case("exit -1 is 255", "import sys; sys.exit(-1)", exit_code=255),
    Case("exit with a text", "import sys; sys.exit('no data')", out="no data\n", exit_code=1),
    Case("exit with None", "raise SystemExit", exit_code=0),
    Case("_exit", "import os; print('x'); os._exit(7)", out="x\n", exit_code=7),
    Case(
        "uncaught exception",
        "def f():\n    raise ValueError('bad')\n\nf()\n",
        out='Traceback (most recent call last):\n  File "{dir}/main.py", line 4, in <module>\n'
        '    f()\n  File "{dir}/main.py", line 2, in f\n'
        "    raise ValueError('bad')\nValueError: bad\n",
        exit_code=1,
    ),
    Case(
        "syntax error",
        "x = = 1\n",
        out='  File "{dir}/main.py", line 1\n    x = = 1\n        ^\n'
        "SyntaxError: invalid syntax\n",
        exit_code=1,
    ),
    Case(
        "bad encoding cookie",
        "# -*- coding: foo -*-\nprint(1)\n",
        contains="SyntaxError: encoding problem: foo",
        exit_code=1,
    ),
    Case(
        "syntax error in a module of its own",
        "import broken\n",
        files={"broken.py": "def f(:\n    pass\n"},
        out='Traceback (most recent call last):\n  File "{dir}/main.py", line 1, in <module>\n'
        '    import broken\n  File "{dir}/broken.py", line 1\n    def f(:\n          ^\n'
        "SyntaxError: invalid syntax\n",
        exit_code=1,
    ),
    Case("missing module", "import nothing_of_this_name", contains="ModuleNotFoundError: No module",
         exit_code=1),
    Case("SIGKILL", "import os; os.kill(os.getpid(), 9)", exit_code=None, signal=signal.SIGKILL),
    Case("SIGTERM", "import os; os.kill(os.getpid(), 15)", exit_code=None, signal=signal.SIGTERM),
    Case("abort", "import os; os.abort()", exit_code=None, signal=signal.SIGABRT),
    Case("segfault", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", exit_code=None,
         signal=signal.SIGSEGV),
    Case("KeyboardInterrupt", "raise KeyboardInterrupt", contains="KeyboardInterrupt\n",
         exit_code=None, signal=signal.SIGINT),
    Case(
        "exception in a thread",
        "import threading\n"
        "def f():\n    raise ValueError('in a thread')\n"
        "t = threading.Thread(target=f); t.start(); t.join(); print('end')\n",
        contains="ValueError: in a thread",
        exit_code=0,
    ),
]  # fmt: skip

SURROUNDINGS = [
    Case(
        "arguments",
        "import sys; print(sys.argv)",
        arguments=("a b", "", "--x=1", "é", "$HOME_OF_CASE/x", "${HOME_OF_CASE}", "$NOT_SET_HERE"),
        env={"HOME_OF_CASE": "/h"},
        out="['main.py', 'a b', '', '--x=1', 'é', '/h/x', '/h', '$NOT_SET_HERE']\n",
    ),
    Case(
        "working directory and import path",
        "import os, sys; print(os.getcwd() == os.path.dirname(os.path.abspath('main.py')), "
        "sys.path[0] == os.getcwd())\nimport beside; print(beside.__file__ == "
        "os.path.join(os.getcwd(), 'beside.py'))\n",
        files={"beside.py": ""},
        out="True True\nTrue\n",
    ),
    Case(
        "a module of its own wins over a library's",
        "import json, ctypes; print(json.__file__, ctypes.x)",
        files={"json.py": "", "ctypes.py": "x = 1"},
        out="{dir}/json.py 1\n",
    ),
    Case(
        "environment, also of C and of children",
        "import os, subprocess, ctypes\n"
        "getenv = ctypes.CDLL(None).getenv; getenv.restype = ctypes.c_char_p\n"
        "print(os.environ['OF_CASE'], getenv(b'OF_CASE').decode(), flush=True)\n"
        "subprocess.run('echo $OF_CASE $DISPATCHER_JOB', shell=True)\n",
        env={"OF_CASE": "1"},
        contains="1 1\n1 ",
    ),
    Case(
        "main module",
        "import sys, pickle\n"
        "class C: pass\n"
        "c = pickle.loads(pickle.dumps(C()))\n"
        "print(__name__, __file__, __spec__, __package__, sys.modules['__main__'].C is C)\n"
        "print(type(__loader__).__name__, type(__builtins__).__name__, sorted(\n"
        "    n for n in globals() if n.startswith('__')))\n",
        out="__main__ {dir}/main.py None None True\nSourceFileLoader module "
        "['__annotations__', '__builtins__', '__cached__', '__doc__', '__file__', '__loader__', "
        "'__name__', '__package__', '__spec__']\n",
    ),
    Case(
        "signals are at their defaults",
        "import signal\n"
        "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,\n"
        "      signal.getsignal(signal.SIGINT) is signal.default_int_handler,\n"
        "      signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL,\n"
        "      signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN,\n"
        "      signal.pthread_sigmask(signal.SIG_BLOCK, []))\n",
        out="True True True True set()\n",
    ),
    Case(
        "descriptors, session and parent",
        "import os, sys\n"
        "print(sys.stdin.read() == '', sorted(map(int, os.listdir('/proc/self/fd')))[:4])\n"
        "print(os.getsid(0) == os.getpid() == os.getpgid(0), os.getppid() > 0,\n"
        "      sys.stdout.isatty(), sys.stdout.encoding)\n",
        out="True [0, 1, 2, 3]\nTrue True False utf-8\n",
    ),
    Case(
        "output is not held back",
        "import sys, os, time\nsys.stdout.write('out '); sys.stderr.write('err '); print('!')\n"
        "os.kill(os.getpid(), 9)\n",
        out="out err !\n",
        exit_code=None,
        signal=signal.SIGKILL,
    ),
    Case(
        "files that were not closed are flushed",
        "f = open('left.txt', 'w'); f.write('all of it')\n"
        "import keep; keep.f = open('kept.txt', 'w'); keep.f.write('as well')\n",
        files={"keep.py": ""},
        left={"left.txt": "all of it", "kept.txt": "as well"},
    ),
    Case(
        "ends in order: threads, atexit, finalisers",
        "import atexit, threading, time\n"
        "class C:\n    def __del__(self): print('del')\n"
        "c = C(); atexit.register(print, 'atexit')\n"
        "def f(): time.sleep(0.1); print('thread')\n"
        "threading.Thread(target=f).start(); print('main')\n",
        out="main\nthread\natexit\ndel\n",
    ),
    Case(
        "multiprocessing, all ways",
        "import multiprocessing as m\n"
        "def square(x): return x * x\n"
        "if __name__ == '__main__':\n"
        "    for way in ('fork', 'spawn', 'forkserver'):\n"
        "        with m.get_context(way).Pool(2) as pool:\n"
        "            print(way, pool.map(square, [1, 2, 3]))\n",
        out="fork [1, 4, 9]\nspawn [1, 4, 9]\nforkserver [1, 4, 9]\n",
    ),
    Case(
        "excepthook of its own",
        "import sys\nsys.excepthook = lambda t, e, tb: print('hook', t.__name__, tb.tb_lineno)\n"
        "raise KeyError('x')\n",
        out="hook KeyError 3\n",
        exit_code=1,
    ),
    Case(
        "the script's folder can be deleted",
        "import os, shutil; shutil.rmtree(os.getcwd()); print('gone')",
        out="gone\n",
    ),
    Case(
        "the in-run code can be imported",
        "import dispatcher, dispatcher.client; print('ok')",
        out="ok\n",
    ),
]

CASES = [*ENDINGS, *SURROUNDINGS]
