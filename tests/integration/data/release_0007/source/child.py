"""A child that logs ten numbers; the second child waits for the file `go` in the middle. Once it is
started again, it goes on behind what its spool holds.
"""

import json
import os
import sys
import time

FOLDER = os.environ["DISPATCHER_JOB_DIR"]


def logged():
    try:
        with open(FOLDER + "/metrics") as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


for step in range(logged(), 10):
    while step == 5 and sys.argv[1] == "1" and not os.path.exists(FOLDER + "/go"):
        time.sleep(0.02)
    line = {"n": "step", "k": "scalar", "v": step, "t": time.time(), "s": None, "d": None}
    with open(FOLDER + "/metrics", "a") as file:
        file.write(json.dumps(line) + "\n")
    print("step", step, flush=True)
