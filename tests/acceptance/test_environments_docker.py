"""Environments as images: packages by run and commit, Dockerfiles by the engine's builder."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from docker.errors import APIError

from dispatcher.client.errors import ActivityFailedException
from dispatcher.client.v1.environments.environment import Environment
from dispatcher.client.v1.environments.parts import DockerBuildContext
from tests.acceptance.test_environments import LOG, WHERE, logs, packages
from tests.rigs.desk import Desk
from tests.rigs.dockerd import Dockerd
from tests.rigs.waiting import until

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def engine(dockerd: Dockerd) -> Iterator[Dockerd]:
    yield dockerd
    until(lambda: _clear(dockerd), "no image of an environment is left")


def _clear(engine: Dockerd) -> bool:
    """Remove containers and images; False: the service was about to make another one."""
    for container in engine.client.api.containers(all=True):
        with suppress(APIError):  # its service goes on removing
            engine.client.api.remove_container(container["Id"], force=True)
    for image in engine.client.images.list("dispatcher-env"):
        with suppress(APIError):
            engine.client.images.remove(image.id, force=True)
    return not engine.client.images.list("dispatcher-env")


def attach(desk: Desk, engine: Dockerd, **config: object) -> None:
    desk.attach_answering(
        "box",
        kind="docker",
        docker_host=engine.url,
        image="test/py:1",
        network="none",
        cpus=2,
        **config,
    )


def test_packages_become_an_image_and_the_second_run_builds_nothing(
    own: Desk, engine: Dockerd, capsys: pytest.CaptureFixture[str]
) -> None:
    attach(own, engine)
    source = own.source("where", main=WHERE)
    first = own.submit(source, environment=packages("six16", "six==1.16.0"), target="box")
    until(lambda: first.get_status() == "Preparing", "the run is being prepared")
    first.wait_for_completion()
    told = logs(own, first.id)
    assert "Successfully installed six-1.16.0" in told[LOG]
    assert told["user_logs/std_log.txt"].startswith("six 1.16.0")

    again = packages("another name", "SIX == 1.16.0")
    run = own.submit(source, environment=again, target="box")
    run.wait_for_completion()
    assert list(logs(own, run.id)) == ["user_logs/std_log.txt"]

    (made,) = engine.client.images.list("dispatcher-env")
    config, base = made.attrs["Config"], engine.client.images.get("test/py:1").attrs["Config"]
    assert (config["Env"], config["Cmd"]) == (base["Env"], ["python3"])
    assert (config["WorkingDir"], config["Entrypoint"]) == (base["WorkingDir"], None)


def test_a_failing_package_and_a_failing_dockerfile_fail_the_run_with_their_last_lines(
    own: Desk, engine: Dockerd
) -> None:
    attach(own, engine)
    source = own.source("where", main=WHERE)
    name = "no-such-package-at-all-6174"
    text = "FROM test/py:1\nRUN echo before; exit 9\n"
    for environment, cause in (
        (packages("bad", name), name),
        (Environment.from_dockerfile("bad", text), "exit 9"),
        (Environment.from_dockerfile("bad", "FROM there/is:none\n"), "there/is"),
    ):
        run = own.submit(source, environment=environment, target="box")
        with pytest.raises(ActivityFailedException):
            run.wait_for_completion()
        error = own.view(run.id)["error"]["error"]
        assert (error["class"], error["code"]) == ("user", "EnvironmentBuildFailed")
        assert "the environment bad cannot be built" in error["message"]
        assert cause in error["message"].split("Last lines of its log:")[1]
        assert cause in logs(own, run.id)[LOG]
        assert own.view(run.id)["attempt"] == 1


def test_a_dockerfile_is_built_and_packages_are_installed_on_top(
    own: Desk, engine: Dockerd
) -> None:
    attach(own, engine)
    source = own.source("both", main="import os, six; print(os.environ['COLOR'], six.__version__)")
    environment = packages("both", "six==1.16.0")
    text = "FROM test/py:1\nENV COLOR=red\nRUN python3 -c 'print(6*7)'\n"
    environment.docker.base_dockerfile = text
    run = own.submit(source, environment=environment, target="box")
    run.wait_for_completion()
    told = logs(own, run.id)
    assert "\n42\n" in told[LOG]
    assert told["user_logs/std_log.txt"] == "red 1.16.0\n"


def test_a_folder_is_built_from_with_its_dockerfile(own: Desk, engine: Dockerd) -> None:
    attach(own, engine)
    folder = own.root / "context"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "words.txt").write_text("from the folder")
    (folder / "Dockerfile").write_text("FROM test/py:1\nCOPY below/words.txt /words.txt\n")
    context = DockerBuildContext.from_local_directory(own.workspace, str(folder))
    environment = Environment.from_docker_build_context("folder", context)
    source = own.source("read", main="print(open('/words.txt').read())")
    run = own.submit(source, environment=environment, target="box")
    run.wait_for_completion()
    assert logs(own, run.id)["user_logs/std_log.txt"] == "from the folder\n"


def test_jobs_in_warm_containers_get_their_environments_image(own: Desk, engine: Dockerd) -> None:
    attach(own, engine, warm=True)
    source = own.source("where", main=WHERE)
    for _ in range(2):
        run = own.submit(source, environment=packages("six16", "six==1.16.0"), target="box")
        run.wait_for_completion()
        assert logs(own, run.id)["user_logs/std_log.txt"].startswith("six 1.16.0")


def test_runs_that_need_it_at_once_wait_for_one_build_and_a_canceled_one_ends_it(
    own: Desk, engine: Dockerd
) -> None:
    attach(own, engine)
    source = own.source("where", main=WHERE)
    needed = packages("six15", "six==1.15.0")
    runs = [own.submit(source, environment=needed, target="box") for _ in range(3)]
    for run in runs:
        run.wait_for_completion()
    texts = [logs(own, run.id).get(LOG, "") for run in runs]
    assert sum("Building environment" in text for text in texts) == 1

    endless = Environment.from_dockerfile("endless", "FROM test/py:1\nRUN sleep 1\n")
    endless.python.user_managed_dependencies = False
    endless.python.conda_dependencies = packages("x", "six==1.14.0").python.conda_dependencies
    run = own.submit(source, environment=endless, target="box")
    until(lambda: run.get_status() == "Preparing", "it prepares")
    run.cancel()
    until(lambda: run.get_status() == "Canceled", "it is canceled")


def test_a_service_killed_in_the_middle_of_a_build_builds_again(own: Desk, engine: Dockerd) -> None:
    attach(own, engine)
    source = own.source("where", main=WHERE)
    # Its installation is long enough to be hit.
    needed = packages("several", "six==1.16.0", "toolz", "wheel", "setuptools")
    run = own.submit(source, environment=needed, target="box")
    until(lambda: _builders(engine), "a container builds")
    own.kill_service()
    run.wait_for_completion(timeout=120)
    assert logs(own, run.id)["user_logs/std_log.txt"].startswith("six 1.16.0")
    until(lambda: not _builders(engine), "nothing is left of the builds")


def _builders(engine: Dockerd) -> list[str]:
    found = engine.client.api.containers(all=True)
    names = [name.lstrip("/") for container in found for name in container["Names"] or ()]
    return [name for name in names if name.startswith("dispatcher-env-")]
