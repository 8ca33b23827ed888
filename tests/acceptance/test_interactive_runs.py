"""An interactive run reads NotResponding within 30 s after its process is gone."""

import signal
import subprocess
import sys
import time

from tests.rigs.desk import Desk
from tests.rigs.waiting import until

DRIVER = """
import sys, time
from dispatcher import Experiment, Workspace
run = Experiment(Workspace.from_config(sys.argv[1]), "acceptance").start_logging(
    outputs=False, snapshot_directory=None
)
print(run.id, flush=True)
time.sleep(600)
"""


def test_an_interactive_run_whose_process_was_killed_reads_not_responding(own: Desk) -> None:
    command = [sys.executable, "-c", DRIVER, str(own.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run = own.workspace.get_run(process.stdout.readline().strip())
        assert run.get_status() == "Running"
        process.send_signal(signal.SIGKILL)
    killed = time.monotonic()

    until(lambda: run.get_status() == "NotResponding", "it reads so", 60)
    assert time.monotonic() - killed < 30

    run.log("a", 1)  # this process takes it up
    until(lambda: run.get_status() == "Running", "it runs again", 30)
    run.complete()
    assert run.get_status() == "Completed"
