"""What is built: one key for one content, conda's packages as pip knows them, where pip looks."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dispatcher.agent.builds.builder import fits
from dispatcher.agent.builds.conda_names import mapped
from dispatcher.agent.builds.package_indexes import for_uv
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs.definition import spec_of
from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.environments.conda_dependencies import CondaDependencies
from dispatcher.client.v1.environments.environment import Environment
from dispatcher.core.runs.environment_recipes import recipe
from dispatcher.core.runs.spec import EnvironmentSpec

PACKAGES = ["six==1.16.0", "numpy >= 1.20, <2", "Scikit_Learn", "a[b,c]==1; python_version>'3'"]


def key(**fields: Any) -> str:
    return str(recipe(EnvironmentSpec(**fields))["key"])


def told(environment: Environment) -> Any:
    config = RunConfiguration()
    config.environment = environment
    return spec_of(config, "main.py", [], None).get("environment")


@given(st.permutations(PACKAGES))
def test_the_order_of_packages_is_no_part_of_what_is_built(packages: list[str]) -> None:
    assert key(pip=packages) == key(pip=PACKAGES)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"pip": ["Scikit_Learn==1.0"]}, {"pip": ["scikit-learn == 1.0"]}),
        ({"pip": ["numpy<2,>=1.20"]}, {"pip": ["numpy >=1.20, <2"]}),
        ({"pip": ["a[c,B]"]}, {"pip": ["a[b, c]"]}),
        ({"pip": ["a ; python_version > '3'"]}, {"pip": ["a; python_version > '3'"]}),
        ({"conda": ["NumPy = 1.21"]}, {"conda": ["numpy=1.21"]}),
        ({"pip": ["six"], "python": "=3.11"}, {"pip": ["six"], "python": "3.11.*"}),
        ({"pip": ["six"], "channels": ["x"]}, {"pip": ["six"]}),
        ({"pip": ["six", "six"]}, {"pip": ["six"], "name": "another name"}),
        ({"pip": ["--pre", "--index-url=u", "a"]}, {"pip": ["--pre", "--index-url u", "a"]}),
    ],
)
def test_one_content_has_one_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert key(**one) == key(**other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"pip": ["six==1.16.0"]}, {"pip": ["six==1.15.0"]}),
        ({"pip": ["six"]}, {"conda": ["six"]}),
        ({"pip": ["six"], "python": "3.10"}, {"pip": ["six"], "python": "3.11"}),
        ({"conda": ["six"], "channels": ["a", "b"]}, {"conda": ["six"], "channels": ["b", "a"]}),
        ({"dockerfile": "FROM a"}, {"dockerfile": "FROM b"}),
    ],
)
def test_another_content_has_another_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert key(**one) != key(**other)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"pip": ["-r more.txt"]}, "pip.0.*--index-url.*-r more.txt"),
        ({"pip": ["six\n-e ."]}, "pip.0"),
        ({"python": "three"}, "python.*three"),
        ({"python": "4.7"}, "python.*4.7"),
        ({"context": "0" * 64}, "dockerfile"),
    ],
)
def test_what_cannot_be_built_is_refused_by_field_and_value(
    fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValidationError, match=f"(?s){named}"):
        EnvironmentSpec(**fields)


def test_conda_packages_are_named_as_pip_knows_them_and_each_is_noted() -> None:
    found = mapped(
        [
            *("python=3.8", "pip", "numpy=1.21", "pandas=1.3.5", "conda-forge::pytorch==1.10"),
            *("scikit-learn>=1.0,<2", "cudatoolkit=11.3", "Matplotlib-base", "scipy=1.7.3=py38_0"),
            "requests 2.28.*",
        ]
    )
    assert found.pip == [
        *("numpy==1.21.*", "pandas==1.3.5", "torch==1.10", "scikit-learn>=1.0,<2"),
        *("matplotlib", "scipy==1.7.3", "requests==2.28.*"),
    ]
    assert len(found.notes) == 8
    assert "cudatoolkit=11.3: only conda offers it; left out" in found.notes
    assert (
        "scipy=1.7.3=py38_0: installed by pip as scipy==1.7.3 (build py38_0 exists for conda only)"
        in (found.notes)
    )


def test_alternatives_that_pip_cannot_say_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"1.2\|1.4"):
        mapped(["numpy=1.2|1.4"])


@pytest.mark.parametrize(
    ("wanted", "does"),
    [
        *(("3.11", True), ("3.11.7", True), ("3.1", False), ("3.10", False), ("3", True)),
        *((">=3.8,<3.12", True), ("~=3.10", True), ("~=3.10.1", False), ("<3.11", False)),
        ("!=3.11", False),
    ],
)
def test_a_version_of_python_is_one_that_was_asked_for_or_not(wanted: str, does: bool) -> None:
    assert fits("3.11.7", wanted) is does


def test_uv_looks_where_pip_is_configured_to_and_the_own_variables_of_uv_win(
    tmp_path: Path,
) -> None:
    wheels, config = tmp_path / "wheels", tmp_path / "pip.conf"
    wheels.mkdir()
    config.write_text(
        f"[global]\nindex-url = https://index\nextra-index-url =\n  https://more\n  file:///not/there\n"
        f"find-links = {wheels}\n"
    )
    environ = {"PIP_CONFIG_FILE": str(config), "HOME": "/nowhere", "PIP_TRUSTED_HOST": "a b"}
    told = for_uv(environ)
    assert told["UV_DEFAULT_INDEX"] == "https://index"
    assert told["UV_INDEX"] == "https://more"
    assert told["UV_FIND_LINKS"] == str(wheels)
    assert told["UV_INSECURE_HOST"] == "a b"
    assert "UV_DEFAULT_INDEX" not in for_uv({**environ, "UV_INDEX_URL": "https://own"})


def test_an_environment_without_packages_of_its_own_needs_nothing_built() -> None:
    plain = Environment("e")
    default = Environment("e")
    default.python.conda_dependencies = CondaDependencies.create(
        pip_packages=["azureml-defaults", "azureml.core"], conda_packages=["pip=20"]
    )
    users = Environment("e")
    users.python.conda_dependencies = CondaDependencies.create(pip_packages=["six"])
    users.python.user_managed_dependencies = True
    assert [told(one) for one in (plain, default, users)] == [None] * 3
    assert "environment" not in spec_of(RunConfiguration(), "main.py", [], None)


def test_what_is_asked_for_beyond_that_is_told_to_the_service() -> None:
    asked = Environment("e")
    asked.python.conda_dependencies = CondaDependencies.create(
        pip_packages=["six", "azureml-sdk"], conda_packages=["numpy"], python_version="3.9"
    )
    asked.python.conda_dependencies.set_pip_option("--pre")
    made = told(asked)
    assert made == {
        "name": "e",
        "pip": ["--pre", "six"],
        "conda": ["numpy"],
        "channels": ["anaconda", "conda-forge"],
        "python": "3.9",
    }
    assert EnvironmentSpec(**made)


def test_a_conda_file_that_is_named_is_read_and_a_base_environment_is_refused(
    tmp_path: Path,
) -> None:
    (tmp_path / "c.yml").write_text("dependencies:\n- numpy=1.26\n")
    named = Environment("e")
    named.python.conda_dependencies_file = str(tmp_path / "c.yml")
    assert told(named)["conda"] == ["numpy=1.26"]
    named.python.base_conda_environment = "base"
    with pytest.raises(UserErrorException, match=r"base_conda_environment.*interpreter_path"):
        told(named)
