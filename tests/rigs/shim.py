"""A stand-in for the agent inside a container, so that a target can be tested by itself.

It keeps the part of the contract that a target sees: it runs the job's command, passes SIGTERM on,
kills after the grace that `stop` in the job's folder says, and leaves `exit.json` there as its last
act. `make_runtime` writes it to where a container imports the module `single_job` from.
"""

from pathlib import Path

from dispatcher.agent.origin import PRIVATE_PACKAGE

SOURCE = """
import json, os, signal, subprocess, sys, threading, time

def run_job(root, job_path):
    job = json.load(open(job_path))
    folder = os.path.join(root, "jobs", job["name"])
    os.makedirs(folder, exist_ok=True)
    env = {**os.environ, **job["env"]}
    if job["gpus"]:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(job["gpus"])
    started, stopped = time.time(), []
    out = os.path.join(folder, "out")
    child = subprocess.Popen(["/bin/sh", "-c", job["command"]], cwd=folder, env=env,
                             stdout=open(out, "wb"), stderr=subprocess.STDOUT)

    def stop(*_):
        stopped.append(1)
        child.terminate()
        if os.path.exists(os.path.join(folder, "stop")):
            grace = json.load(open(os.path.join(folder, "stop")))["grace"]
            timer = threading.Timer(grace, child.kill)
            timer.daemon = True
            timer.start()

    signal.signal(signal.SIGTERM, stop)
    code = child.wait()
    record = {
        "exit_code": None if code < 0 else code, "signal": -code if code < 0 else None,
        "reason": "stopped" if stopped else "signaled" if code < 0 else "exited", "oom": False,
        "started_at": started, "ended_at": time.time(), "receipt": [], "failed_rank": None,
        "tail": open(out, errors="replace").read()[-2048:],
    }
    with open(os.path.join(folder, "exit.part"), "w") as file:
        json.dump(record, file)
    os.rename(file.name, os.path.join(folder, "exit.json"))
    return code if code >= 0 else 128 - code
"""


def make_runtime(folder: Path) -> Path:
    """Write the stand-in below the folder and return what to mount."""
    package = folder / PRIVATE_PACKAGE / "agent" / "starting"
    package.mkdir(parents=True)
    (package / "single_job.py").write_text(SOURCE)
    for path in (package, package.parent, package.parent.parent):
        (path / "__init__.py").write_text("")
        path.chmod(0o755)
    folder.chmod(0o755)
    return folder
