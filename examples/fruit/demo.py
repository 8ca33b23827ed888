"""`make demo`: the document's parent and children, on real targets, from nothing.

`gpu-compute` is a Ray cluster of one node with four logical GPUs, started for the demo. With
GPU=docker it is a Docker engine: yours if it answers and supports GPUs, else one started for the
demo whose GPU hook is a stand-in, so that the requests are real and the devices are not.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dispatcher.cli.tree import print_tree
from dispatcher.wire import encoding
from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.workspaces.experiment import Experiment
from dispatcher.client.v1.configs.script_run_config import ScriptRunConfig
from dispatcher.client.v1.workspaces.workspace import Workspace
from tests.rigs.dockerd import Dockerd
from tests.rigs.images import host_python_image
from tests.rigs.raycluster import RayCluster

HERE = Path(__file__).parent
IMAGE = "dispatcher/demo:1"
GPUS = ["0", "1", "2", "3"]


def main() -> int:
    kind = os.environ.get("GPU", "ray")
    if kind not in TARGETS:
        print(f"GPU={kind}: there is {' and '.join(TARGETS)}", file=sys.stderr)
        return 2
    with _workspace() as (workspace, source), TARGETS[kind]() as config:
        body = encoding.dumps({"name": "gpu-compute", **config})
        workspace.service.send("PUT", "/targets/gpu-compute", body=body)
        told = workspace.service.post("/targets/gpu-compute/ping")
        print(f"gpu-compute: {told['kind']}, {told['capacity'] or 'starting'}\n", flush=True)
        return _run(workspace, source)


def _run(workspace: Workspace, source: Path) -> int:
    on_cpu = RunConfiguration()
    on_cpu.target = "cpu"
    parent = ScriptRunConfig(str(source), script="parent.py", run_config=on_cpu)
    run = Experiment(workspace, "fruit").submit(parent)
    run.wait_for_completion(show_output=True, raise_on_error=False)
    children = list(run.get_children(recursive=True))
    print("\nWhat the children said:")
    for child in reversed(children):
        child.wait_for_completion(raise_on_error=False)
        logs = child.get_details_with_logs()["logFiles"]
        print("  " + " ".join(text.strip() for text in logs.values()))
        print(f"  metrics {child.get_metrics()}")
    print("\nThe run tree:")
    print_tree(run)
    everyone = [run, *children]
    done = len(everyone) == 4 and all(one.get_status() == "Completed" for one in everyone)
    return 0 if done else 1


@contextmanager
def _workspace() -> Iterator[tuple[Workspace, Path]]:
    """A workspace in a folder of its own; its service ends with the demo."""
    root = Path(tempfile.mkdtemp(prefix="dispatcher-demo-"))
    os.environ["DISPATCHER_HOME"] = str(root / "home")
    source = root / "fruit"
    source.mkdir()
    for script in ("parent.py", "child.py"):
        shutil.copy(HERE / script, source / script)
    workspace = Workspace.create("fruit", path=str(source))
    try:
        yield workspace, source
    finally:
        from dispatcher.cli.context import CommandContext
        from dispatcher.cli.server import stop

        stop(CommandContext(path=source))
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def _ray() -> Iterator[dict[str, Any]]:
    print("Starting a Ray cluster with four logical GPUs …", flush=True)
    cluster = RayCluster(nodes=1)
    try:
        yield {
            "kind": "ray",
            "address": cluster.address,
            "node_ip_address": cluster.head.address,
            "token": cluster.token,
        }
    finally:
        cluster.stop()


@contextmanager
def _docker() -> Iterator[dict[str, Any]]:
    host = os.environ.get("DOCKER_HOST")
    if host:
        image = os.environ.get("IMAGE", "python:3.11-slim")
        yield {"kind": "docker", "docker_host": host, "image": image, "gpus": GPUS}
        return
    print("Starting a Docker engine of the demo's own; its GPUs are a stand-in …", flush=True)
    engine = Dockerd(gpu=True)
    try:
        host_python_image(engine.client, IMAGE)
        yield {
            "kind": "docker",
            "docker_host": engine.url,
            "image": IMAGE,
            "gpus": GPUS,
            "network": "none",
        }
    finally:
        engine.stop()


TARGETS: dict[str, Callable[[], Any]] = {"ray": _ray, "docker": _docker}

if __name__ == "__main__":
    sys.exit(main())
