"""Submits one child and waits for it."""

import os

from job import note  # type: ignore[import-not-found]

from dispatcher import Run, ScriptRunConfig

if __name__ == "__main__":
    note("start")
    run = Run.get_context()
    assert isinstance(run, Run)
    config = ScriptRunConfig(".", script="job.py", compute_target=os.environ["CHAOS_TARGET"])
    config.run_config.environment_variables = {"CHAOS_EFFECTS": os.environ["CHAOS_EFFECTS"]}
    child = run.submit_child(config)
    child.wait_for_completion()
    note("end")
