"""Notes its start and its end in the effects file, says a word and logs a number in between."""

import os

from dispatcher import Run


def note(what: str) -> None:
    line = f"{os.environ['AZUREML_RUN_ID']} {os.environ['DISPATCHER_ATTEMPT']} {what}\n"
    effects = os.open(os.environ["CHAOS_EFFECTS"], os.O_WRONLY | os.O_APPEND)
    os.write(effects, line.encode())  # one write: whole, or not at all
    os.close(effects)


if __name__ == "__main__":
    note("start")
    Run.get_context().log("number", 1.0)
    print("a word", flush=True)
    note("end")
