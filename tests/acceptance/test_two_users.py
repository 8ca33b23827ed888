"""Two users of one machine, each with a workspace, share a Docker engine: neither can read, change
or stop what is the other's.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dispatcher.wire.address import PREFIX
from tests.rigs.dockerd import IMAGE, Dockerd
from tests.rigs.user import User
from tests.rigs.waiting import until

SECRET = "canary-of-alice"
SCRIPT = f"""
import os, sys, time
os.makedirs("outputs", exist_ok=True)
open("outputs/model", "w").write("{SECRET}")
print("{SECRET}", flush=True)
while not os.path.exists("outputs/enough"):
    time.sleep(0.1)
    if time.time() - os.path.getmtime("outputs/model") > float(sys.argv[1]):
        break
"""
ASK = """
import sys, urllib.error, urllib.request
token, method, url = sys.argv[1:]
request = urllib.request.Request(url, method=method, data=b"{}" if method == "POST" else None)
request.add_header("Content-Type", "application/json")
if token: request.add_header("Authorization", "Bearer " + token)
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
DOCKERS = 12400


@dataclass
class Person:
    """A user with a workspace in its home, and the targets `box` and `local`."""

    user: User

    @property
    def data(self) -> Path:
        return self.user.home / "work" / ".dispatcher"

    @property
    def service(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.data / "service.json").read_text())
        return found

    @property
    def workspace_name(self) -> str:
        config = self.user.home / "work" / ".azureml" / "config.json"
        return str(json.loads(config.read_text())["Id"])

    def cli(self, *words: str, code: int = 0) -> str:
        return self.user.cli(*words, "--path", "work", code=code)

    def submit(self, target: str, seconds: float) -> str:
        words = ("submit", "--async", "--target", target, "--source-directory", "source")
        answer = self.user.cli(*words, "--path", "work", "-o", "json", "main.py", str(seconds))
        return str(json.loads(answer)["run_id"])

    def status(self, run_id: str) -> str:
        return str(json.loads(self.cli("run", "show", run_id, "--query", "status")))

    def ask(self, token: str, method: str, url: str) -> int:
        return int(self.user.python("-c", ASK, token, method, url).stdout)


@pytest.fixture
def people(dockerd: Dockerd) -> Iterator[list[Person]]:
    folder = Path(
        tempfile.mkdtemp(prefix="users-", dir="/tmp")
    )  # pytest's own are closed to others
    folder.chmod(0o755)
    dockerd.folder.chmod(0o711)
    os.chown(dockerd.url.removeprefix("unix://"), 0, DOCKERS)
    made = [Person(User(uid, folder, [DOCKERS])) for uid in (12401, 12402)]
    for person in made:
        home = person.user.home
        (home / "source").mkdir()
        (home / "source" / "main.py").write_text(SCRIPT)
        (home / "work").mkdir()
        for path in (home / "source", home / "source" / "main.py", home / "work"):
            os.chown(path, person.user.uid, person.user.uid)
        attach = ("computetarget", "attach", "docker", "-n", "box", "--docker-host", dockerd.url)
        person.cli(*attach, "--image", IMAGE, "--network", "none")
    yield made
    for person in made:
        if person.data.exists():
            person.user.cli("server", "stop", "--path", "work")
    shutil.rmtree(folder)


def test_nothing_of_one_user_is_readable_writable_or_stoppable_by_another(
    people: list[Person], dockerd: Dockerd
) -> None:
    alice, bob = people
    runs = {target: alice.submit(target, 600) for target in ("box", "local")}
    other = bob.submit("box", 5)
    for run_id in runs.values():
        until(lambda run_id=run_id: alice.status(run_id) == "Running", "it runs", 60)  # type: ignore[misc]
    until(lambda: SECRET in alice.cli("logs", runs["box"]), "its log is there", 60)

    # Reading: no file of the data folder, and none of the sockets' folder.
    assert bob.user.can_read(alice.user.home) == []
    sockets = Path(alice.service["socket"]).parent
    assert bob.user.can_read(sockets) == []
    # Through the service: neither without a token, nor with one of one's own.
    url, token = alice.service["url"], bob.service["token"]
    for mine in ("", token):
        for method, path in (
            ("GET", "/runs"),
            ("GET", f"/runs/{runs['box']}"),
            ("POST", f"/runs/{runs['box']}/cancel"),
            ("DELETE", f"/runs/{runs['box']}"),
            ("POST", "/gc"),
        ):
            assert bob.ask(mine, method, url + PREFIX + path) in (401, 403), (method, path)
    # Through one's own service: the other's runs and containers are not there.
    bob.cli("run", "cancel", runs["box"], code=4)
    assert bob.cli("computetarget", "clear", "box", "-o", "json").strip() == "[]"
    bob.cli("gc", "-o", "json")
    bob.user.cli("server", "stop", "--path", "work")
    assert bob.status(other) in ("Running", "Completed")
    bob.user.cli("workspace", "delete", "-y", "--all-resources", "-w", bob.workspace_name)

    names = {each.name for each in dockerd.client.containers.list()}
    assert f"{runs['box']}-1" in names
    for run_id in runs.values():
        assert alice.status(run_id) == "Running"
        alice.cli("cancel", run_id)
        until(lambda run_id=run_id: alice.status(run_id) == "Canceled", "it is canceled", 60)  # type: ignore[misc]
