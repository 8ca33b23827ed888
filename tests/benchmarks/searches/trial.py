"""A trial of the sweep: logs the accuracy after each epoch."""

import argparse

from azureml.core import Run
from model import scores

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name, kind in (("lr", float), ("alpha", float), ("hidden", int), ("batch", int)):
        parser.add_argument(f"--{name}", type=kind)
    run = Run.get_context()
    for score in scores(**vars(parser.parse_args())):
        run.log("accuracy", score)
