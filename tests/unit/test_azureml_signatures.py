"""`azureml` has every name of v1 that programs use, with compatible parameters and defaults."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from dispatcher.client.v1.runs.offline import OfflineRun
from dispatcher.client.v1.runs.run import Run
from tests.rigs.v1names import named
from tests.unit import azureml_inventory as inventory

# v1 called the lists `name` and `path` there alone: a call by keyword that works in a run must not
# fail outside of one.
KNOWN = ["azureml.core.run._OfflineRun.upload_files: parameter 1 is names, not name"]
MOST_LEFT_OUT = 120


def test_every_name_of_tiers_a_and_b_is_there_and_compatible() -> None:
    assert inventory.breaches() == KNOWN


def test_no_more_names_of_tier_c_are_left_out_than_before() -> None:
    left = inventory.left_out()
    print(f"{len(left)} names of tier C are left out:", *left, sep="\n  ")

    assert len(left) <= MOST_LEFT_OUT


def renamed(run: Run, name: str, values: Any, description: str = "") -> None: ...
def without_step(run: Run, name: str, value: Any, description: str = "") -> None: ...
def other_default(
    run: Run, show_output: bool = True, wait_post_processing: bool = False
) -> None: ...
def needs_more(run: Run, key: str, value: Any = None, *, who: str) -> None: ...
def other_order(run: Run, tags: Any = None, config: Any = None, **kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    ("member", "fault", "told"),
    [
        ("log_list", renamed, "Run.log_list: parameter 2 is values, not value"),
        ("log", without_step, "Run.log: parameter 4 is nothing, not step"),
        ("wait_for_completion", other_default, "show_output has True, not False"),
        ("tag", needs_more, "Run.tag: who is needed, and v1 has no such parameter"),
        ("submit_child", other_order, "Run.submit_child: parameter 1 is tags, not config"),
        ("get_children", None, "Run.get_children is missing"),
        ("display_name", property(lambda _run: ""), "Run.display_name cannot be set"),
    ],
)
def test_a_planted_fault_is_found(member: str, fault: Any, told: str) -> None:
    # Ours keeps what it has from its bases, so the copy has them written out.
    members = {}
    for base in reversed(Run.__mro__[:-1]):
        members.update(vars(base))
    members.pop("__dict__", None)
    members.pop("__weakref__", None)
    members.pop(member)
    if fault is not None:
        members[member] = fault
    faulty = type("Run", (), members)

    def look(path: str) -> Any:
        return faulty if path == "azureml.core.run.Run" else named(path)

    assert any(told in breach for breach in inventory.breaches(look)), inventory.breaches(look)


def test_a_missing_module_is_found() -> None:
    def look(path: str) -> Any:
        if path.startswith("azureml.core.conda_dependencies"):
            raise LookupError(path)
        return named(path)

    found = inventory.breaches(look)
    assert "azureml.core.conda_dependencies.CondaDependencies is missing" in found


def test_the_comparison_knows_each_fact_it_was_given() -> None:
    kinds = {facts["kind"] for entries in inventory.FACTS.values() for facts in entries.values()}
    assert kinds == {"class", "constant", "enum", "function"}
    tiers = [f["tier"] for entries in inventory.FACTS.values() for f in entries.values()]
    assert (tiers.count("A"), tiers.count("B")) == (12, 48)


def test_an_offline_run_is_no_run_and_lacks_what_needs_a_service() -> None:
    lacking = ("parent", "experiment", "get_metrics", "get_status", "submit_child", "get_children")
    assert not issubclass(OfflineRun, Run)
    assert not any(hasattr(OfflineRun, name) for name in lacking)


@pytest.mark.parametrize(
    "path",
    [
        "azureml.core.Dataset",
        "azureml.core.Datastore",
        "azureml.core.compute.AksCompute",
        "azureml.data.OutputFileDatasetConfig",
        "azureml.pipeline.core.Pipeline",
        "azureml.pipeline.steps.PythonScriptStep",
        "azureml.train.automl.AutoMLConfig",
        "azureml.train.dnn.PyTorch",
        "azureml.train.estimator.Estimator",
        "azureml.train.sklearn.SKLearn",
    ],
)
@pytest.mark.parametrize(
    "use", [lambda it: it(), lambda it: it.get_by_name, lambda it: it("x", y=1)]
)
def test_what_is_not_supported_says_so_by_name_with_the_way_out(
    path: str, use: Callable[[Any], object]
) -> None:
    unsupported = named(path)

    with pytest.raises(named("azureml.exceptions").AzureMLException) as caught:
        use(unsupported)

    assert path in caught.value.message
    assert "is not supported: " in caught.value.message
    assert copy.copy(unsupported) is unsupported


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(ImportError, match="cannot import name 'Runn'"):
        exec("from azureml.core import Runn")
    with pytest.raises(AttributeError, match="it knows: OutputPortBinding"):
        _ = named("azureml.pipeline.core").Nothing
