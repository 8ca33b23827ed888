"""`python -m dispatcher.agent serve` and `python -m dispatcher.agent run`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional


AGENT_IS_RUNNING = 3
ROOT_IS_GONE = 4
THREAD_DIED = 70  # "internal software error" of sysexits.h
_CHECK_EVERY = 1.0
log = logging.getLogger(__name__)


def main(arguments: Optional[List[str]] = None) -> int:
    """Run the command; the answer is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dispatcher.agent")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="be the node agent of a root until SIGTERM")
    serve.add_argument("--root", required=True)
    serve.add_argument(
        "--existing", action="store_true", help="do not make the root: it may have been moved"
    )
    serve.add_argument("--socket", help="default: agent.sock in the root")
    serve.add_argument("--interpreter", help="what `python` means for jobs")
    serve.add_argument(
        "--idle-after",
        type=float,
        metavar="SECONDS",
        help="seconds without a caller and a job until the agent ends",
    )
    serve.add_argument("--job-files", type=int, help="the soft limit of open files of jobs")
    run = commands.add_parser("run", help="run one job, and exit as its script does")
    run.add_argument("--root", required=True)
    run.add_argument("--job", required=True, metavar="FILE")
    run.add_argument("--interpreter", help="what `python` means for the job")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if chosen.command == "serve":
        return _serve(chosen)
    from dispatcher.agent.starting.single_job import run_job

    return run_job(chosen.root, chosen.job, chosen.interpreter)


def _serve(chosen: argparse.Namespace) -> int:
    from dispatcher.agent import relay
    from dispatcher.agent.file_limit import raise_file_limit
    from dispatcher.agent.node import NodeAgent
    from dispatcher.agent.root_lock import AgentIsRunning
    from dispatcher.agent.server import AgentServer

    threading.excepthook = _exit_on_thread_death
    soft = raise_file_limit()
    agent = NodeAgent(
        chosen.root,
        chosen.interpreter,
        job_files=chosen.job_files or soft,
        existing=chosen.existing,
    )
    try:
        agent.start()
    except FileNotFoundError as error:
        print(f"{agent.root.path} is gone: {error}", file=sys.stderr)
        return ROOT_IS_GONE
    except AgentIsRunning as error:
        print(error, file=sys.stderr)
        return AGENT_IS_RUNNING
    stop = threading.Event()
    address = os.path.abspath(chosen.socket) if chosen.socket else agent.root.socket
    server = AgentServer(agent, address, stop.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=server.serve, name="server", daemon=True).start()
    relay.start()
    needed = time.monotonic()
    while not stop.wait(_CHECK_EVERY):
        if agent.has_lost_root:
            break  # its root was moved or deleted; the next agent finds the jobs that go on
        server.keep_socket()
        if server.has_clients or agent.has_work:
            needed = time.monotonic()
        elif chosen.idle_after is not None and time.monotonic() - needed >= chosen.idle_after:
            break  # the next caller starts another agent
    server.close()
    agent.close()
    return 0


def _exit_on_thread_death(failure: Any) -> None:
    """End the agent when one of its threads dies of an error.

    Without the thread some of the work would stop unnoticed. Jobs continue; the next caller
    starts another agent, which finds them.
    """
    log.critical(
        "a thread died; the agent ends",
        exc_info=(failure.exc_type, failure.exc_value, failure.exc_traceback),
    )
    os._exit(THREAD_DIED)


if __name__ == "__main__":
    sys.exit(main())
