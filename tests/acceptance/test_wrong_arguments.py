"""Wrong arguments in every public call: a clear error that names the argument, and nothing lost."""

import errno
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.client.errors import AzureMLException, ServiceException
from tests.acceptance.v1_calls import CALLS, MADE, Call, made
from tests.rigs.desk import Desk
from tests.unit.azureml_inventory import FACTS

KINDS: list[Any] = [object(), 3.5, -1, b"\xff", [object()], {1: object()}, float("nan")]
TEXTS = ["\ud800", "a\0b", "", "../" * 3 + "x", "x" * 20_000]


# What takes anything: a flag's truth, a value that is logged, v1's arguments without effect here.
ANY = {"value", "error_details", "use_docker", "overwrite", "exist_ok", "policy", "outputs"}


@pytest.fixture(autouse=True)
def elsewhere(shared: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a call that is fine writes into the current folder must not be left in this one."""
    below = tmp_path / "a" / "b" / "c"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    yield
    while MADE:
        MADE.pop().flush()  # nothing that was logged waits for the end of this process


@pytest.mark.parametrize("name", CALLS)
def test_an_argument_of_a_wrong_kind_is_refused_by_its_name(shared: Desk, name: str) -> None:
    faults = []
    for argument in CALLS[name].given.keys() - ANY:
        for wrong in KINDS:
            error = outcome(shared, CALLS[name], argument, wrong)
            if isinstance(error, ServiceException):
                fine = 400 <= error.status_code < 500 and argument in error.message
            elif isinstance(error, AzureMLException):
                fine = argument in error.message
            else:
                fine = error is None or (isinstance(error, TypeError) and argument in str(error))
            if not fine:
                faults.append(f"{argument}={wrong!r}: {type(error).__name__}: {error}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("name", CALLS)
def test_an_odd_text_is_kept_or_refused_by_what_is_documented(shared: Desk, name: str) -> None:
    faults = []
    for argument in CALLS[name].given:
        for odd in TEXTS:
            error = outcome(shared, CALLS[name], argument, odd)
            documented = (AzureMLException, ServiceException, FileNotFoundError, NotADirectoryError)
            fine = error is None or isinstance(error, documented)
            if isinstance(error, OSError) and len(odd) > 255:
                fine = error.errno in (errno.ENAMETOOLONG, errno.ENOENT)
            if isinstance(error, ServiceException):
                fine = 400 <= error.status_code < 500
            if not fine:
                faults.append(f"{argument}={odd[:20]!r}: {type(error).__name__}: {error}"[:300])
    assert not faults, "\n".join(faults)


def outcome(desk: Desk, call: Call, argument: str, value: Any) -> Exception | None:
    """What comes of the call with one argument changed; None if it is fine."""
    given = {key: made(each, desk) for key, each in call.given.items()}
    given[argument] = value
    try:
        found = call.make(desk)(**given)
        if inspect.isgenerator(found):
            list(found)
    except Exception as error:
        return error
    return None


def test_the_calls_are_fine_as_they_are(shared: Desk) -> None:
    """So that what is refused is refused for the one argument."""
    lacking = (
        *("ModelNotFound", "404", "No run configuration", "No workspace configuration"),
        *("There is no", "no file", "not a file", "not an image"),
    )
    for name, call in CALLS.items():
        given = {key: made(value, shared) for key, value in call.given.items()}
        try:
            call.make(shared)(**given)
        except (AzureMLException, ServiceException) as error:
            if not any(word in str(error) for word in lacking):
                raise AssertionError(name) from error


def test_every_method_with_arguments_is_among_the_calls() -> None:
    """Of the runs', experiments' and workspaces' methods in tiers A and B."""
    called = {name.rpartition(".")[2] for name in CALLS}
    without_effect = {"get_context", "get_submitted_run", "add_type_provider", "__exit__"}
    flags_alone = {"wait_for_completion", "complete", "reactivate"}
    for cls in ("Run", "Experiment", "Workspace"):
        members = FACTS[f"azureml.core.{cls.lower()}"][cls]["members"]
        for name, told in members.items():
            if " (" in told and " ()" not in told and name != "__init__":
                assert name in called | without_effect | flags_alone, name
