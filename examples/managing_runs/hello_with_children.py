# hello_with_children.py
# Says hello from five child runs, one after the other.
from azureml.core import Run

run = Run.get_context()
for count in range(5):
    with run.child_run() as child:
        child.log(name="Hello from child run", value=count)
print("Hello from", run.id, "and five children")
