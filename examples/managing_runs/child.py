# child.py
# What parent.py submits: one fruit each.
import argparse

from azureml.core import Run

parser = argparse.ArgumentParser()
parser.add_argument("--fruit", required=True)
fruit = parser.parse_args().fruit

## In child run script
child_run = Run.get_context()
child_run.parent.id

child_run.tag("fruit", fruit)
child_run.log("letters", len(fruit))
print(fruit, "below", child_run.parent.id)
