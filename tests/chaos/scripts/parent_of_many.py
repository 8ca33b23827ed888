"""Submits its children one after the other, notes each, and waits for all of them."""

import os
import sys

from job import note  # type: ignore[import-not-found]

from dispatcher import Run, ScriptRunConfig, wait_all

if __name__ == "__main__":
    note("start")
    run = Run.get_context()
    assert isinstance(run, Run)
    children = []
    for k in range(int(sys.argv[1])):
        config = ScriptRunConfig(".", "job.py", [str(k)], compute_target="local")
        config.run_config.environment_variables = {"CHAOS_EFFECTS": os.environ["CHAOS_EFFECTS"]}
        children.append(run.submit_child(config))
        note(f"submitted-{k}")
    wait_all(children)
    note("end")
