"""More clients wait than the service may have files open: nothing stops."""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.client.v1.runs.run import Run
from tests.rigs.desk import Desk, desk

LIMIT = 256
WAITERS = 600
SCRIPT = "import os, time\nwhile not os.path.exists(os.environ['GATE']): time.sleep(0.05)\n"


@pytest.fixture(params=["soft limit", "hard limit"])
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """A desk whose service was started under a small limit of open files; a soft one it raises."""
    with desk(tmp_path / "desk") as made:
        start = (
            "import resource, sys; from dispatcher import Workspace\n"
            "soft, hard = int(sys.argv[1]), resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
            "hard = soft if sys.argv[3] == 'hard limit' else hard\n"
            "resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))\n"
            "Workspace.from_config(sys.argv[2]).service.get('/health')\n"
        )
        command = [sys.executable, "-c", start, str(LIMIT), str(made.folder), request.param]
        subprocess.run(command, check=True, timeout=60)
        yield made


def test_a_run_ends_and_wakes_all_who_wait_though_they_are_more_than_the_service_has_files(
    limited: Desk, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = WAITERS + 400
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.fail(f"the hard limit of open files is {hard}; the test needs {needed}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))  # of the clients
    gate = tmp_path / "gate"
    config = limited.config(limited.source("waits", main=SCRIPT))
    config.run_config.environment_variables = {"GATE": os.fspath(gate)}
    run = limited.experiment.submit(config)
    ended: list[str] = []

    def wait() -> None:
        other = Run(limited.experiment, run.id)
        other.wait_for_completion()
        ended.append(other.get_status())

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(WAITERS)]
    try:
        for thread in threads:
            thread.start()
        gate.touch()
        for thread in threads:
            thread.join(120)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert ended == ["Completed"] * WAITERS
    assert (limited.data / "service.log").stat().st_size < 1_000_000
