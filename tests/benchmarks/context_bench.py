"""What logging costs a script: µs per `run.log`, ms over a bare interpreter, ms for the import.

Run it as `python tests/benchmarks/context_bench.py`; it takes some seconds.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMES = 41
LOG = "from dispatcher import Run; run = Run.get_context(); run.log('x', 1)"
MANY = """
import time
from dispatcher import Run
run = Run.get_context()
run.log("x", 1)
best = 1.0
for _ in range(20):
    began = time.perf_counter()
    for number in range(1000):
        run.log("loss", 0.1234567 + number, step=number)
    best = min(best, (time.perf_counter() - began) / 1000)
print(best * 1e6)
"""
IMPORT = """
import time
began = time.perf_counter()
import dispatcher
print((time.perf_counter() - began) * 1e3)
"""


def environment(job: str) -> dict[str, str]:
    """A submitted run's environment; bytecode is cached, as it is wherever scripts run."""
    names = ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME", "PROJECT_NAME")
    return {
        **{key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
        **{f"AZUREML_ARM_{name}": "x" for name in names},
        "AZUREML_RUN_ID": "r",
        "AZUREML_RUN_TOKEN": "t",
        "AZUREML_SERVICE_ENDPOINT": "http://127.0.0.1:1",
        "DISPATCHER_JOB_DIR": job,
        "DISPATCHER_JOB": "r-1",
        "DISPATCHER_ATTEMPT": "1",
        "PYTHONPATH": os.fspath(ROOT),
        "PYTHONPYCACHEPREFIX": os.path.join(job, "bytecode"),
    }


def milliseconds(script: str, env: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], env=env, check=True)
    return (time.perf_counter() - began) * 1e3


def printed(script: str, env: dict[str, str]) -> float:
    done = subprocess.run([sys.executable, "-c", script], env=env, check=True, capture_output=True)
    return float(done.stdout)


def main() -> None:
    with tempfile.TemporaryDirectory() as job:
        env = environment(job)
        milliseconds(LOG, env)
        pairs = [(milliseconds("pass", env), milliseconds(LOG, env)) for _ in range(TIMES)]
        bare, logging = (statistics.median(times) for times in zip(*pairs, strict=True))
        imported = statistics.median(printed(IMPORT, env) for _ in range(TIMES))
        print(f"run.log                        {printed(MANY, env):8.2f} µs")
        print(f"bare interpreter               {bare:8.2f} ms")
        print(f"... with context and one log   {logging - bare:+8.2f} ms")
        print(f"import dispatcher              {imported:8.2f} ms")


if __name__ == "__main__":
    main()
