"""A parent, in the calls that the client of the earlier release made. Once it is started again, it
goes on behind what its spool holds.
"""

import http.client
import json
import os
import socket
import sys
import time

RUN, FOLDER = os.environ["AZUREML_RUN_ID"], os.environ["DISPATCHER_JOB_DIR"]
PATIENCE = 120.0  # seconds


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(os.environ["DISPATCHER_SERVICE_SOCKET"])


def ask(method, path, body=None):
    """Make one call, repeated while the service is away."""
    headers = {"Authorization": "Bearer " + os.environ["AZUREML_RUN_TOKEN"]}
    headers["Content-Type"] = "application/json"
    content = None if body is None else json.dumps(body)
    end = time.monotonic() + PATIENCE
    while True:
        try:
            connection = Connection("dispatcher", timeout=60)
            connection.request(method, "/api/v1" + path, content, headers)
            answer = connection.getresponse()
            text = answer.read()
            break
        except (OSError, http.client.HTTPException):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
    if answer.status not in (200, 201):
        sys.exit(f"{method} {path}: {answer.status} {text.decode()}")
    return json.loads(text)


def spec(k):
    """A child; its key makes a repeated submission answer the child that is there."""
    return {
        "id": f"{RUN}_child_{k}", "experiment": "upgraded", "parent_id": RUN,
        "key": f"child-{k}", "target": "local", "script": "child.py", "arguments": [str(k)],
        "snapshot": sys.argv[1], "gpus": 0,
    }  # fmt: skip


def log(name, value):
    line = {"n": name, "k": "scalar", "v": value, "t": time.time(), "s": None, "d": None}
    with open(FOLDER + "/metrics", "a") as file:
        file.write(json.dumps(line) + "\n")


def ended():
    """The number of children whose end this run has logged."""
    try:
        with open(FOLDER + "/metrics") as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


found = ask("POST", "/runs", {"runs": [spec(k) for k in range(4)], "brief": True})["runs"]
children = [one["id"] for one in found]
if not ask("GET", "/runs/" + RUN)["parked"]:
    ask("POST", "/runs/" + RUN + "/park", {"waits_for": children})
for k in range(ended(), len(children)):
    view = ask("GET", "/runs/" + children[k])
    while not view["terminal"]:
        query = f"?after={view['version']}&wait=30&logs=true"
        view = ask("GET", f"/runs/{children[k]}{query}")
    print(children[k], view["status"], flush=True)
    log("ended", k)
while ask("POST", "/runs/" + RUN + "/unpark?wait=30")["parked"]:
    pass
