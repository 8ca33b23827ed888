"""The table of permissions, entry by entry, and what a scope covers."""

from itertools import product

import pytest

from dispatcher.access import permissions, principals
from dispatcher.access.isolation import check_accepts
from dispatcher.access.permissions import TABLE, Permission, Scope, covers, grant, scope_of
from dispatcher.access.principals import Kind, Principal, Role
from dispatcher.core.errors import NotAllowed
from dispatcher.core.runs.lifecycle import Run
from dispatcher.core.runs.spec import RunSpec

OWNER = principals.owner()
CONTRIBUTOR = Principal(Kind.USER, "ada", Role.CONTRIBUTOR)
READER = Principal(Kind.SERVICE_ACCOUNT, "report", Role.READER)
OF_RUN = principals.run("mine", submitted_by="ada", target="local")
AGENT = principals.agent("local")
BY_COLUMN = {
    Role.OWNER: OWNER,
    Role.CONTRIBUTOR: CONTRIBUTOR,
    Role.READER: READER,
    Kind.RUN: OF_RUN,
    Kind.AGENT: AGENT,
}
WRITES = frozenset(Permission) - {
    Permission.READ_SERVER,
    Permission.OPEN_STUDIO,  # what its session may do is asked of this table again
    Permission.READ_RUNS,
    Permission.READ_SNAPSHOTS,
    Permission.READ_CATALOG,
}


def run(run_id: str, *above: str, target: str = "local") -> Run:
    spec = RunSpec(id=run_id, experiment="e", interactive=True, target=target)
    return Run(run_id, spec, lineage=above)


@pytest.mark.parametrize(("action", "column"), list(product(Permission, BY_COLUMN)))
def test_every_action_has_a_scope_for_every_column_and_that_is_what_is_granted(
    action: Permission, column: Role | Kind
) -> None:
    scope = TABLE[action][column]
    assert scope_of(BY_COLUMN[column], action) is scope
    if scope is Scope.NONE:
        with pytest.raises(NotAllowed, match=str(action)):
            grant(BY_COLUMN[column], action)
    else:
        assert grant(BY_COLUMN[column], action).scope is scope


def test_a_reader_changes_nothing() -> None:
    assert {a for a in WRITES if scope_of(READER, a) is not Scope.NONE} == set()


def test_a_run_never_manages_targets_tokens_secrets_or_experiments() -> None:
    manage = (
        Permission.MANAGE_TARGETS,
        Permission.MANAGE_TOKENS,
        Permission.MANAGE_SECRETS,
        Permission.CHANGE_EXPERIMENTS,
    )
    assert {scope_of(OF_RUN, action) for action in manage} == {Scope.NONE}


def test_a_run_writes_to_no_run_outside_its_tree() -> None:
    wide = {a for a in WRITES if scope_of(OF_RUN, a) is Scope.ANY}
    assert wide == {
        Permission.UPLOAD_CONTENT,
        Permission.REGISTER_ENVIRONMENTS,
        Permission.CREATE_EXPERIMENTS,
    }


@pytest.mark.parametrize("action", Permission)
def test_a_run_may_do_nothing_that_the_role_of_its_submitter_forbids(action: Permission) -> None:
    narrowed = Principal(Kind.RUN, "mine", Role.READER, "report")
    if scope_of(READER, action) is Scope.NONE:
        assert scope_of(narrowed, action) is Scope.NONE
    without = Principal(Kind.RUN, "mine", None, "gone")
    assert scope_of(without, action) is Scope.NONE


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope.NONE, set()),
        (Scope.ANY, {"mine", "below", "deep", "top", "sibling", "elsewhere"}),
        (Scope.OWN_RUN, {"mine"}),
        (Scope.OWN_TREE, {"mine", "below", "deep"}),
        (Scope.OWN_HOST, set()),
    ],
)
def test_a_scope_of_a_run_covers_these_runs(scope: Scope, covered: set[str]) -> None:
    runs = [
        run("top"),
        run("mine", "top"),
        run("sibling", "top"),
        run("below", "top", "mine"),
        run("deep", "top", "mine", "below"),
        run("elsewhere", target="other"),
    ]
    assert {each.id for each in runs if covers(scope, OF_RUN, each)} == covered


def test_the_host_of_an_agent_covers_the_runs_of_its_target() -> None:
    assert covers(Scope.OWN_HOST, AGENT, run("a", target="local"))
    assert not covers(Scope.OWN_HOST, AGENT, run("a", target="other"))


def test_a_user_named_like_a_run_or_a_target_has_nothing_of_their_scopes() -> None:
    for named in (Principal(Kind.USER, "mine", Role.READER), Principal(Kind.RUN, "local")):
        assert not covers(Scope.OWN_HOST, named, run("a", target="local"))
    user = Principal(Kind.USER, "mine", Role.READER)
    assert not covers(Scope.OWN_TREE, user, run("mine"))
    assert not covers(Scope.OWN_RUN, user, run("mine"))


def test_the_text_of_a_refusal_names_caller_action_and_scope() -> None:
    change = grant(OF_RUN, Permission.CHANGE_RUNS)
    with pytest.raises(NotAllowed, match=r"run mine may change runs of its own tree only.*top"):
        change.require(run("top"))
    assert change.require(run("below", "mine")).id == "below"
    assert permissions.SERVICE_GRANT.covers(run("top"))


CONFIGS = {
    "local": {"kind": "local"},
    "box": {"kind": "docker"},
    "cluster": {"kind": "ray"},
    "open": {"kind": "local", "accepts": "any-run"},
    "private": {"kind": "docker", "accepts": "users"},
    "strict": {"kind": "docker", "accepts": "process-runs"},
}
ON_PROCESSES = {"local", "box", "cluster", "open", "strict"}
IN_CONTAINER = {"box", "open"}


@pytest.mark.parametrize(
    ("submitter", "accepting"),
    [
        (OWNER, set(CONFIGS)),
        (CONTRIBUTOR, set(CONFIGS)),
        (principals.run("r", submitted_by="ada", target="local"), ON_PROCESSES),
        (principals.run("r", submitted_by="ada", target="cluster"), ON_PROCESSES),
        (principals.run("r", submitted_by="ada", target="box"), IN_CONTAINER),
        (principals.run("r", submitted_by="ada", target="detached"), IN_CONTAINER),
    ],
)
def test_a_target_accepts_only_the_submitters_that_its_configuration_names(
    submitter: Principal, accepting: set[str]
) -> None:
    for target in accepting:
        check_accepts(submitter, target, CONFIGS)
    for target in CONFIGS.keys() - accepting:
        with pytest.raises(NotAllowed, match=f"{target}.*accepts=any-run"):
            check_accepts(submitter, target, CONFIGS)
