# hello_with_delay.py
# Says hello, then takes its time: a run to be watched and canceled.
import time

from azureml.core import Run

run = Run.get_context()
run.log(name="message", value="Hello from run!")
print("Hello from run", run.id, flush=True)
time.sleep(120)
