"""What runs inherit from the process that submits them, and how it travels."""

import hashlib
import os
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.client.api import inheritance
from dispatcher.client.api.connection import ApiConnection
from dispatcher.core.errors import InheritanceNotFound, InvalidSpec, LimitExceeded
from dispatcher.services.inheritances import KEPT_SECONDS, Inheritances
from dispatcher.wire.inheritance import MAX_BYTES, Inheritance, decode, encode

NAMES = st.binary(min_size=1, max_size=9).filter(lambda b: not {0, ord("=")} & set(b))
VALUES = st.binary(max_size=99).filter(lambda b: 0 not in b)


@given(st.dictionaries(NAMES, VALUES), VALUES, st.lists(st.integers(0, 500)), st.integers(-20, 19))
def test_what_is_encoded_is_decoded(
    variables: dict[bytes, bytes], python: bytes, cpus: list[int], nice: int
) -> None:
    names = {os.fsdecode(name): os.fsdecode(value) for name, value in variables.items()}
    one = Inheritance(names, os.fsdecode(python), tuple(cpus), nice, 0o22)

    assert decode(encode(one)) == one


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"[]", "object"),
        (b'{"variables": "%"}', "variables"),
        (b'{"variables": "QQ=="}', "variables"),
        (b'{"python": 3}', "python"),
        (b'{"nice": 20}', "nice"),
        (b'{"nice": true}', "nice"),
        (b'{"cpus": [-1]}', "cpus"),
        (b'{"cpus": 1}', "cpus"),
        (b'{"umask": 512}', "umask"),
        (b"{", "Expecting"),
    ],
)
def test_a_malformed_content_is_refused_by_its_field(content: bytes, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        decode(content)


def variables(
    monkeypatch: pytest.MonkeyPatch, chosen: str | None = None, **environ: str
) -> set[str]:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return set(inheritance.of_this_process(chosen).variables)


def test_variables_of_one_terminal_notebook_or_gang_stay_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = {"PATH": "/bin", "FOO": "1", "AWS_PROFILE": "x", "LC_ALL": "C", "PYTHONHASHSEED": "0",
        "SLURM_JOB_ID": "7", "SLURM_TMPDIR": "/scratch/7", "HOROVOD_TIMELINE": "t.json",
        "SSH_AUTH_SOCK": "/a", "DISPLAY": ":1", "NO_COLOR": "1",
    }  # fmt: skip
    left = {
        "DISPATCHER_TOKEN": "t", "AZUREML_RUN_ID": "r", "MLFLOW_EXPERIMENT_ID": "e",
        "PWD": "/", "TERM": "vt100", "RANK": "3", "OMPI_COMM_WORLD_RANK": "1",
        "JPY_PARENT_PID": "2", "PYTHONIOENCODING": "ascii",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline", "PYTEST_CURRENT_TEST": "x",
        "FORCE_COLOR": "1", "CLICOLOR": "1", "ELECTRON_RUN_AS_NODE": "1", "WATCHDOG_USEC": "3",
        "NOTIFY_SOCKET": "/n", "GROUP_RANK": "1", "TORCHELASTIC_RUN_ID": "x", "SLURM_NTASKS": "8",
        "SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8", "MPI_LOCALRANKID": "3",
        "HOROVOD_RANK": "3", "MV2_COMM_WORLD_RANK": "3",
    }  # fmt: skip

    assert variables(monkeypatch, None, **ours, **left) == set(ours)


def test_the_user_may_name_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"PATH": "/bin", "LANG": "C", "FOO": "1", "WANDB_KEY": "k", "WANDB_MODE": "off"}

    assert variables(monkeypatch, "WANDB_*, BAR", **environ) == set(environ) - {"FOO"}
    assert variables(monkeypatch, "", **environ) == {"PATH", "LANG"}


def test_all_that_a_process_can_be_started_with_is_inherited(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Linux starts a process with 6 MiB of variables, each of 128 KiB."""
    large = {f"LARGE_{n}": "x" * 130_000 for n in range(48)}
    assert set(large) <= variables(monkeypatch, **large)
    content = encode(inheritance.of_this_process())
    digest = hashlib.sha256(content).hexdigest()

    Inheritances(tmp_path).keep(digest, content)
    assert decode((tmp_path / digest).read_bytes()).variables["LARGE_47"] == "x" * 130_000


class Recorder:
    """A connection that keeps what is sent."""

    is_on_this_machine = True

    def __init__(self) -> None:
        self.held_inheritances: set[str] = set()
        self.bodies: list[bytes] = []

    def send(self, method: str, path: str, body: bytes) -> None:
        self.bodies.append(body)


def test_an_environment_that_is_too_large_is_cut_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    variables(monkeypatch, PATH="/bin", LARGE="x" * MAX_BYTES)
    recorder = Recorder()
    inheritance.announce(cast(ApiConnection, recorder))

    assert set(decode(recorder.bodies[0]).variables) == {"PATH"}
    assert "larger than" in caplog.text
    assert "PATH" in caplog.text


def test_our_own_entries_of_pythonpath_stay_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import dispatcher
    from dispatcher import azureml_shim

    code = Path(dispatcher.__file__).parents[1]
    shim = Path(azureml_shim.__file__).parent
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "dispatcher").symlink_to(code / "dispatcher")
    entries = [str(shim), str(tmp_path / "lib"), str(code), "src", str(tmp_path)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(entries))

    inherited = inheritance.of_this_process().variables
    assert inherited["PYTHONPATH"] == f"src{os.pathsep}{tmp_path}"


def test_a_content_is_kept_privately_under_its_hash_alone(tmp_path: Path) -> None:
    kept = Inheritances(tmp_path / "kept")
    content = encode(Inheritance({"SECRET": "s"}))
    digest = hashlib.sha256(content).hexdigest()
    with pytest.raises(InheritanceNotFound):
        kept.require([digest])
    with pytest.raises(InvalidSpec, match="not that of"):
        kept.keep("0" * 64, content)
    with pytest.raises(LimitExceeded, match=str(MAX_BYTES)):
        kept.keep(digest, b" " * (MAX_BYTES + 1))
    kept.keep(digest, content)
    kept.require([digest])

    [file] = (tmp_path / "kept").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == (digest, 0o600)


def test_a_content_that_nothing_names_for_a_month_is_deleted(tmp_path: Path) -> None:
    kept = Inheritances(tmp_path)
    contents = [encode(Inheritance({"N": str(n)})) for n in range(3)]
    first, used, new = (hashlib.sha256(content).hexdigest() for content in contents)
    for digest, content in ((first, contents[0]), (used, contents[1])):
        kept.keep(digest, content)
        old = os.stat(tmp_path / digest).st_mtime - KEPT_SECONDS - 60
        os.utime(tmp_path / digest, (old, old))
    kept.require([used])
    kept.keep(new, contents[2])

    assert {path.name for path in tmp_path.iterdir()} == {used, new}
