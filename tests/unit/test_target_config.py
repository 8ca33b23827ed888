"""Target configurations: what is accepted, what is refused in which words, what is never told."""

from typing import Any

import pytest

from dispatcher.core.errors import InvalidSpec
from targets.config import DockerConfig, LocalConfig, RayConfig, parse

RAY = {"kind": "ray", "name": "far", "address": "10.0.0.1:6379"}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"kind": "local", "name": "cpu"}, LocalConfig(name="cpu")),
        ({"kind": "docker", "name": "gpu-compute"}, DockerConfig(name="gpu-compute")),
        (RAY, RayConfig(name="far", address="10.0.0.1:6379")),
    ],
)
def test_a_kind_needs_nothing_but_its_name_and_ray_its_address(
    data: dict[str, Any], expected: object
) -> None:
    assert parse(data) == expected


@pytest.mark.parametrize("gpus", ["0,1", "0, 1", [0, 1], ["0", "1"], ("0", "1")])
def test_gpus_are_taken_as_a_person_would_write_them(gpus: object) -> None:
    config = parse({"kind": "local", "name": "g", "gpus": gpus})

    assert isinstance(config, LocalConfig)
    assert config.gpus == ("0", "1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "cloud"}, ["kind", "'cloud'", "local, docker, ray"]),
        ({"name": "9lives"}, ["name", "'9lives'"]),
        ({"name": "a" * 65}, ["name", "a" * 65, "{0,63}"]),
        ({"name": "a/b"}, ["name", "'a/b'"]),
        ({"cpus": 0}, ["cpus", "0 is not valid", "greater than 0"]),
        ({"cpus": float("nan")}, ["cpus", "nan", "finite"]),
        ({"memory_mb": 5}, ["memory_mb", "5 is not valid", "6"]),
        ({"gpus": "0,0"}, ["gpus", "0 more than once"]),
        ({"gpus": ["0;rm"]}, ["gpus", "'0;rm'"]),
        ({"gpus": ["0"], "default_gpus": 2}, ["default_gpus", "2 is too many", "has 1 (gpus: 0)"]),
        ({"network": "my-net"}, ["network", "'my-net'", "'bridge', 'none' or 'host'"]),
        ({"user": "root"}, ["user", "'root'"]),
        ({"pids_limit": 1}, ["pids_limit", "1 is not valid", "16"]),
        ({"docker_host": "/var/run/docker.sock"}, ["docker_host", "'/var/run/docker.sock'"]),
        ({"colour": "red"}, ["colour", "no such option"]),
    ],
)
def test_an_error_names_the_field_the_value_and_the_limit(
    change: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        parse({"kind": "docker", "name": "d", **change})

    assert [word for word in words if word not in str(refusal.value)] == []


def test_every_error_is_told_at_once() -> None:
    with pytest.raises(InvalidSpec, match=r"cpus: .*; memory_mb: "):
        parse({"kind": "local", "name": "x", "cpus": -1, "memory_mb": 0})


def test_a_ray_target_without_an_address_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="address: is needed for a target of kind ray"):
        parse({"kind": "ray", "name": "r"})


def test_a_secret_is_kept_but_never_shown() -> None:
    config = parse({**RAY, "token": "hush-hush"})

    assert "hush" not in f"{config!r}{config}{config.show()}"
    assert parse(config.store()) == config
    assert config.store()["token"] == "hush-hush"


def test_a_wrong_secret_is_not_repeated_in_the_error() -> None:
    with pytest.raises(InvalidSpec) as refusal:
        parse({**RAY, "token": ["hush-hush"]})

    assert "hush" not in str(refusal.value)


@pytest.mark.parametrize("data", [RAY, {"kind": "docker", "name": "d", "gpus": [1], "cpus": 2}])
def test_what_is_stored_reads_back_the_same(data: dict[str, Any]) -> None:
    config = parse(data)

    assert parse(config.store()) == config
