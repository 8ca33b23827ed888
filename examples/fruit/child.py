# child.py
# Trains on one fruit: it says what it was given, and which devices it sees.
import argparse
import os

from dispatcher import Run

parser = argparse.ArgumentParser()
parser.add_argument("--fruit", required=True)
fruit = parser.parse_args().fruit

run = Run.get_context()
devices = os.environ.get("NVIDIA_VISIBLE_DEVICES") or os.environ.get("CUDA_VISIBLE_DEVICES")
print(f"{fruit}: child {run.id} of {run.parent.id} sees GPU {devices}")
for step in range(3):
    run.log("ripeness", (step + 1) * len(fruit) / 10)
run.tag("fruit", fruit)
