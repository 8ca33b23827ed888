"""Programs of Azure ML v1, run as processes of their own in a folder below a workspace's."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.rigs.v1names import SHIM

HEAD = """
import os, time
from azureml.core import Experiment, Run, RunConfiguration, ScriptRunConfig, Workspace
from azureml.exceptions import ActivityFailedException, UserErrorException
ws = Workspace.from_config()
exp = Experiment(ws, "programs")
os.makedirs("src", exist_ok=True)
def write(text, name="main.py"):
    with open(os.path.join("src", name), "w") as file:
        file.write("from azureml.core import Run\\nrun = Run.get_context()\\n" + text)
def config(*arguments, **kwargs):
    kwargs.setdefault("compute_target", os.environ["PROGRAM_TARGET"])
    made = ScriptRunConfig("src", "main.py", list(arguments), **kwargs)
    made.run_config.gpus = 0
    return made
"""


class Place(NamedTuple):
    """Where a program lives, and where its runs go."""

    folder: Path
    target: str


def program(folder: Path, text: str, *, head: str = HEAD, target: str = "local") -> str:
    """What the program prints. It must end well. `target` is where its runs go by default."""
    file = folder / "program.py"
    file.write_text(head + unindented(text))
    env = {**os.environ, "PYTHONPATH": SHIM, "PROGRAM_TARGET": target}
    done = subprocess.run(
        [sys.executable, file.name],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def unindented(text: str) -> str:
    """The program without its indentation in this file; scripts within it have none."""
    parts = text.split('"""')
    return '"""'.join(re.sub(r"(?m)^ {8}", "", p) if k % 2 == 0 else p for k, p in enumerate(parts))


RANKS = '''
write("""
import json, os
kind = os.environ.get("KIND")
names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")
mpi = ("RANK", "SIZE", "LOCAL_RANK", "LOCAL_SIZE")
told = {name: os.environ[name] for name in names if name in os.environ}
told.update({name: os.environ["OMPI_COMM_WORLD_" + name] for name in mpi
             if "OMPI_COMM_WORLD_" + name in os.environ})
told["node"] = os.environ.get("AZ_BATCH_MASTER_NODE")
told["tf"] = json.loads(os.environ.get("TF_CONFIG", "null"))
print(json.dumps(told))
run.log_row("seen", **{k: str(v) for k, v in told.items()})
""")
from azureml.core.runconfig import MpiConfiguration, PyTorchConfiguration, TensorflowConfiguration
'''
