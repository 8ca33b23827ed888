"""How long a command that only asks takes, against a bare interpreter.

Run it as `python -m tests.benchmarks cli_bench`; the service is running already.
"""

import os
import statistics
import subprocess
import sys
import time

from tests.benchmarks.measuring import bench, say

TIMES = 15
COMMANDS = (("ps",), ("targets",), ("run", "list"), ("computetarget", "list"), ("--help",))
GOAL = 150  # ms


def main() -> None:
    with bench() as made:
        folder = made.folder("asks", "")
        os.chdir(folder)
        made.experiment.start_logging(outputs=False, snapshot_directory=None).complete()
        for words in COMMANDS:
            took, bare = compare(words, made.experiment.workspace.name)
            goal = f"{GOAL} ms" if words != ("--help",) else ""
            say(f"dispatcher {' '.join(words)}", f"{took:.0f} ms, {took / bare:.1f} x bare", goal)


def compare(words: tuple[str, ...], workspace: str) -> tuple[float, float]:
    """Milliseconds of a command and of a bare interpreter, measured by turns."""
    asks = () if words == ("--help",) else ("-w", workspace, "-o", "json")
    command = [sys.executable, "-m", "dispatcher.cli.main", *words, *asks]
    pairs = [
        (milliseconds(command), milliseconds([sys.executable, "-c", "pass"])) for _ in range(TIMES)
    ]
    took, bare = zip(*pairs, strict=True)
    return statistics.median(took), statistics.median(bare)


def milliseconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1e3


if __name__ == "__main__":
    main()
