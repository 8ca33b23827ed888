"""The rigs themselves: what a test builds on has to be real, and has to come back."""

import json
import os
import signal
import subprocess
import sys

import psycopg
import pytest
from docker.models.containers import Container
from docker.types import DeviceRequest

from tests.rigs import missing, processes
from tests.rigs.dockerd import IMAGE, Dockerd
from tests.rigs.postgres import Postgres
from tests.rigs.raycluster import RayCluster
from tests.rigs.waiting import until


def start(engine: Dockerd, code: str, **options: object) -> Container:
    command = ["python3", "-c", code]
    return engine.client.containers.run(  # type: ignore[no-any-return, call-overload]
        IMAGE, command, network_mode="none", detach=True, **options
    )


def hooked(engine: Dockerd) -> list[str]:
    return [json.loads(line)["id"] for line in engine.hook_log().splitlines()]


def test_a_missing_part_fails_the_test_with_the_command_that_installs_it() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"apt-get install .* no-such-package"):
        missing.program("no-such-program", "no-such-package")


def test_a_marked_process_is_found_even_in_a_session_of_its_own() -> None:
    marker = f"RIG_MARKER={os.urandom(8).hex()}"
    name, _, value = marker.partition("=")
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        env={**os.environ, name: value},
        start_new_session=True,
    )
    until(lambda: processes.marked(marker), "the process shows its marker")
    assert [p.pid for p in processes.marked(marker)] == [sleeper.pid]

    sleeper.kill()
    processes.wait_gone(marker)
    assert not processes.alive(sleeper.pid)  # a zombie: nobody has waited for it yet
    sleeper.wait()


def test_the_image_runs_the_interpreter_of_the_tests_as_nobody(dockerd: Dockerd) -> None:
    code = "import sys, ssl, sqlite3, ctypes; print(sys.version)"
    container = start(dockerd, code, user="65534:65534")

    assert container.wait()["StatusCode"] == 0, container.logs()
    assert container.logs().decode().strip() == sys.version
    container.remove()


def test_a_container_outlives_a_crash_of_its_engine(dockerd: Dockerd) -> None:
    container = start(dockerd, "import time; time.sleep(60)")
    container.reload()
    pid = container.attrs["State"]["Pid"]

    dockerd.crash()
    assert processes.alive(pid)
    os.kill(pid, signal.SIGKILL)
    dockerd.start()

    assert container.wait()["StatusCode"] == 137
    container.remove()


def test_a_gpu_request_reaches_the_container_and_the_hook(dockerd_gpu: Dockerd) -> None:
    request = DeviceRequest(device_ids=["1", "3"], capabilities=[["gpu"]])
    code = "import os; print(os.environ['NVIDIA_VISIBLE_DEVICES'])"
    container = start(dockerd_gpu, code, device_requests=[request])

    assert container.wait()["StatusCode"] == 0
    assert container.logs().decode().strip() == "1,3"
    assert container.id in hooked(dockerd_gpu)
    container.remove()


def test_what_was_committed_is_there_after_a_crash_of_the_database(postgres: Postgres) -> None:
    url = postgres.url("rigs").replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE t AS SELECT 7 AS x")

    postgres.crash()
    postgres.start()

    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT x FROM t").fetchone() == (7,)


def test_a_database_asked_for_again_is_fresh(postgres: Postgres) -> None:
    url = postgres.url("again").replace("+psycopg", "")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE t (x int)")

    assert postgres.url("again").replace("+psycopg", "") == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regclass('t')").fetchone() == (None,)


def test_gpus_of_every_node_are_handed_out_once(ray_cluster: RayCluster) -> None:
    shown = ray_cluster.drive("""
        import os, time
        @ray.remote(num_gpus=2, num_cpus=0)
        def held():
            time.sleep(1)
            return ray.util.get_node_ip_address(), os.environ["CUDA_VISIBLE_DEVICES"]
        for node, gpus in sorted(ray.get([held.remote() for _ in range(4)])):
            print(node, gpus)
    """)

    nodes = sorted(node.address for node in ray_cluster.nodes[:2])
    assert shown.splitlines() == [f"{node} {gpus}" for node in nodes for gpus in ("0,1", "2,3")]


def test_a_killed_node_leaves_nothing_and_is_declared_dead(ray_cluster: RayCluster) -> None:
    node = ray_cluster.add(gpus=0, cpus=1)
    assert node.address in ray_cluster.alive()

    node.kill()

    assert not node.processes
    until(lambda: node.address not in ray_cluster.alive(), "the node is declared dead", timeout=15)
    ray_cluster.nodes.remove(node)


def test_a_hung_node_is_declared_dead_although_it_is_there(ray_cluster: RayCluster) -> None:
    node = ray_cluster.add(gpus=0, cpus=1)

    node.hang()

    until(lambda: node.address not in ray_cluster.alive(), "the node is declared dead", timeout=20)
    assert node.processes
    node.kill()
    ray_cluster.nodes.remove(node)


def test_a_new_head_stands_at_the_address_of_the_old_one() -> None:
    cluster = RayCluster(nodes=0)
    before = cluster.address

    cluster.kill_head()
    assert not cluster.alive()
    cluster.restart_head()

    assert (cluster.address, cluster.alive()) == (before, {cluster.head.address})
    cluster.stop()
