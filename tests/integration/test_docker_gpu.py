"""GPUs of a Docker target: exactly the devices of the ledger, or a reason and the way out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError

from dispatcher.core.runs.jobs import State
from dispatcher.wire.jobs import Rank
from targets.base import LaunchRefused, TargetUnavailable
from targets.docker import gpu
from targets.docker.container_spec import inside
from tests.integration.docker_jobs import Rig, evidence, job, make_rig
from tests.rigs.dockerd import Dockerd

SHOW = "echo $NVIDIA_VISIBLE_DEVICES $CUDA_VISIBLE_DEVICES"


@pytest.fixture
def rig(dockerd_gpu: Dockerd, tmp_path: Path) -> Iterator[Rig]:
    rig = make_rig(dockerd_gpu, tmp_path, gpus="0,1,2,3")
    yield rig
    rig.target.close()


# What the engine is sent, to the letter: a count instead of ids would share a device.
GOLDEN = [
    {
        "Driver": "",
        "Count": 0,
        "DeviceIDs": ["1", "3"],
        "Capabilities": [["gpu"]],
        "Options": {},
    }
]


def test_the_engine_is_sent_one_request_that_names_the_devices(rig: Rig) -> None:
    one = job(SHOW, gpus=("1", "3"), ranks=(Rank(gpus=("1", "3")),))

    seen = rig.run(one)

    assert rig.host_config(one)["DeviceRequests"] == GOLDEN
    # Inside, the devices are numbered from 0, and so is what the script is told.
    assert evidence(seen).tail == "1,3 0,1\n"


def test_two_jobs_at_once_get_different_devices(rig: Rig) -> None:
    one, other = job("sleep 60", gpus=("0",)), job("sleep 60", gpus=("1",))
    assert rig.target.launch([one, other]) == {}

    asked = [rig.host_config(each)["DeviceRequests"][0]["DeviceIDs"] for each in (one, other)]

    assert asked == [["0"], ["1"]]
    hooked = {json.loads(line)["id"] for line in rig.engine.hook_log().splitlines()}
    containers = rig.engine.client.containers
    assert {containers.get(each.name).id for each in (one, other)} <= hooked
    rig.stop(one, other)


def test_a_job_without_gpus_sees_none_even_if_its_image_asks_for_all(rig: Rig) -> None:
    base = rig.engine.client.containers.create(rig.config.image, ["true"])
    base.commit("test/greedy", "1", changes=["ENV NVIDIA_VISIBLE_DEVICES=all"])
    base.remove()

    assert evidence(rig.run(job(SHOW, image="test/greedy:1"))).tail == "void\n"


def test_the_capacity_is_the_configured_devices(rig: Rig) -> None:
    [node] = rig.target.capacity().nodes

    assert node.gpus == ("0", "1", "2", "3")
    assert node.cpus >= 1
    assert (node.memory_mb or 0) > 100


@pytest.mark.parametrize("mode", ["auto", "runtime"])
def test_an_engine_without_gpu_support_is_named_with_the_way_out(
    mode: str, dockerd: Dockerd, tmp_path: Path
) -> None:
    rig = make_rig(dockerd, tmp_path, gpus="0", gpu_mode=mode)
    one = job(SHOW, gpus=("0",))

    refused = rig.target.launch([one])[one.name]

    assert isinstance(refused, LaunchRefused)
    assert "no GPU support: install the NVIDIA Container Toolkit" in str(refused)
    assert rig.engine.url in str(refused)
    assert rig.state(one) is State.REMOVED
    assert (
        rig.engine.client.containers.list(all=True, ignore_removed=True, filters={"name": one.name})
        == []
    )


def test_an_engine_without_cdi_refuses_its_devices_in_words(
    dockerd_gpu: Dockerd, tmp_path: Path
) -> None:
    rig = make_rig(dockerd_gpu, tmp_path, gpus="0", gpu_mode="cdi")
    one = job(SHOW, gpus=("0",))

    assert isinstance(rig.target.launch([one])[one.name], LaunchRefused)


CDI = {"CDISpecDirs": ["/etc/cdi"]}
FOUND = {**CDI, "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]}


@pytest.mark.parametrize(
    ("wanted", "info", "expected"),
    [
        ("runtime", FOUND, ("runtime",)),
        ("cdi", {}, ("cdi",)),
        ("auto", {}, ("runtime",)),
        ("auto", {"CDISpecDirs": None}, ("runtime",)),
        ("auto", CDI, ("runtime", "cdi")),
        ("auto", FOUND, ("cdi", "runtime")),
    ],
)
def test_devices_are_asked_for_in_the_way_that_the_engine_knows(
    wanted: str, info: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert gpu.modes(wanted, info) == expected


def test_cdi_names_devices_by_their_kind() -> None:
    sent = gpu.request(["0", "amd.com/gpu=1"], "cdi")

    assert sent is not None
    assert sent["DeviceIDs"] == ["nvidia.com/gpu=0", "amd.com/gpu=1"]
    assert sent["Driver"] == "cdi"


def test_podman_is_refused_because_it_ignores_the_request() -> None:
    with pytest.raises(LaunchRefused, match="is Podman"):
        gpu.refuse_podman({"Components": [{"Name": "Podman Engine"}]}, "unix:///p")

    gpu.refuse_podman({"Components": [{"Name": "Engine"}]}, "unix:///d")


class Answer:
    """What the SDK's error reads of an HTTP answer."""

    reason = ""
    url = ""

    def __init__(self, status: int) -> None:
        self.status_code = status


@pytest.mark.parametrize(
    ("status", "text", "kind", "words"),
    [
        (500, 'could not select device driver "" with [[gpu]]', LaunchRefused, "NVIDIA Container"),
        (500, "CDI device injection failed: unresolvable", LaunchRefused, "nvidia-ctk cdi list"),
        (404, "No such image: a:b", LaunchRefused, "docker pull a:b"),
        (400, '"python3": executable file not found in $PATH', LaunchRefused, "needs python3"),
        (400, "bind source path does not exist: /x", LaunchRefused, "does not see this machine"),
        (400, "something else is wrong", LaunchRefused, "something else is wrong"),
        (500, "no space left on device", TargetUnavailable, "no space left"),
    ],
)
def test_an_error_of_the_engine_says_what_to_do(
    status: int, text: str, kind: type[Exception], words: str
) -> None:
    error = APIError("failed", response=Answer(status), explanation=text)  # type: ignore[arg-type]

    told = gpu.explain(error, image="a:b", url="unix:///d")

    assert isinstance(told, kind)
    assert words in str(told)


def test_devices_of_each_rank_are_renumbered_with_the_job() -> None:
    ranks = (Rank(0, gpus=("5",)), Rank(1, gpus=("7",)))

    seen = inside(job("true", gpus=("5", "7"), ranks=ranks), Path("/x/s"))

    assert (seen.gpus, [rank.gpus for rank in seen.ranks]) == (("0", "1"), [("0",), ("1",)])
