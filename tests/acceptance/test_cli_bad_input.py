"""Whatever a command is given: a clear error on stderr, the documented exit code, no traceback."""

from pathlib import Path

import pytest

from dispatcher.cli import az, main
from tests.rigs.desk import Desk
from tests.rigs.terminal import command

DESK = ("-w", "desk")
BOMB = "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n"
CASES = [
    # what is typed, the exit code, what the error says
    ("run show", 2, "Which run?"),
    ("run show nothing", 4, "nothing"),
    ("run show a -r b", 2, "two runs"),
    ("run show ../health", 4, "../health"),
    ("run show ''", 4, "''"),
    ("run show a\x00b", 4, "no run"),
    ("run cancel -r nothing -e x", 4, "nothing"),
    ("run update -r nothing", 2, "Nothing to change"),
    ("run update -r nothing --add-tag =x", 2, "'=x' is not a tag"),
    ("run update -r nothing --add-tag a=b", 4, "nothing"),
    ("run wait nothing --timeout soon", 2, "--timeout"),
    ("run logs nothing", 4, "nothing"),
    ("run monitor-logs -r nothing", 4, "nothing"),
    ("run download-logs -r nothing", 2, "--output-dir"),
    ("run download-logs -r nothing -d x", 4, "nothing"),
    ("run monitor-tensorboard -r nothing", 4, "nothing"),
    ("run list --last 0", 2, "is not in the range"),
    ("run list --last many", 2, "--last"),
    ("run list --status Happy", 2, "Happy"),
    ("run list --parent-run-id nothing", 4, "nothing"),
    ("run list --recursive", 2, "--parent-run-id"),
    ("run list --pipeline-run-id x", 2, "pipelines are not supported"),
    ("run list -o xml", 2, "xml"),
    ("run list --query [", 2, "'['"),
    ("run list --query nope(@)", 2, "nope"),
    ("run list [?a=='b'", 2, "not complete"),
    ("run list [?a=='b'] --query [0]", 2, "two queries"),
    ("run list r", 2, "file names"),
    ("run list -t .", 2, "exists already"),
    ("run list -t /nowhere/x.json", 2, "/nowhere/x.json"),
    ("run submit-script -c nothing main.py", 2, "nothing"),
    ("run submit-script -c bomb main.py", 2, "bomb"),
    ("run submit-script -c listed main.py", 2, "listed"),
    ("run submit-script missing.py", 2, "missing.py"),
    ("run submit-script ../outside.py", 2, "outside.py"),
    ("run submit-script", 2, "nothing to run"),
    ("run submit-script --target nowhere main.py", 2, "nowhere"),
    ("run submit-script --gpus -1 main.py", 2, "is not in the range"),
    ("run submit-script --gpus 99 main.py", 2, "99"),
    ("run submit-script -e 'a b' main.py", 2, "a b"),
    ("run submit-script -d missing.yml main.py", 2, "missing.yml"),
    ("run submit-script -d bomb.yml main.py", 2, "alias"),
    ("run submit-script -d main.py main.py", 2, "main.py"),
    ("run submit-script --source-directory missing main.py", 2, "missing"),
    ("run submit-script --unknown main.py", 2, "--unknown"),
    ("run submit-hyperdrive main.py", 2, "--hyperdrive-configuration-name"),
    ("run submit-hyperdrive --hyperdrive-configuration-name missing main.py", 2, "missing"),
    ("run submit-hyperdrive --hyperdrive-configuration-name bomb.yml main.py", 2, "alias"),
    ("run submit-pipeline -i x -y y", 2, "run submit-pipeline"),
    ("computetarget show", 2, "Which target?"),
    ("computetarget show nowhere", 4, "nowhere"),
    ("computetarget show ../runs", 2, "../runs"),
    ("computetarget detach -n nowhere", 4, "nowhere"),
    ("computetarget attach local", 2, "--name"),
    ("computetarget attach local -n x --cpus -1", 2, "cpus"),
    ("computetarget attach local -n 'a b'", 2, "a b"),
    ("computetarget attach ray -n x --address nowhere", 2, "address"),
    ("computetarget attach docker -n x --docker-host ftp://x", 2, "docker_host"),
    ("computetarget attach remote -n x -a host", 2, "--username"),
    ("computetarget attach remote -n x -a host -u me -p secret", 2, "not handed on"),
    ("computetarget attach aks -n x -i y", 2, "KubeRay"),
    ("computetarget create amlcompute -n x", 2, "--max-nodes"),
    ("computetarget create amlcompute -n x --max-nodes -1", 2, "is not in the range"),
    ("computetarget create amlcompute -n x --max-nodes 1 --min-nodes 2", 2, "min_nodes"),
    ("computetarget create amlcompute -n local --max-nodes 1", 2, "reserved"),
    ("computetarget get-credentials -n x", 2, "get-credentials"),
    ("runconfig show nothing", 2, "nothing"),
    ("runconfig show bomb", 2, "bomb"),
    ("runconfig delete nothing", 2, "nothing"),
    ("folder attach --path main.py", 2, "is a file"),
    ("folder attach --path new -w ../x", 2, "../x"),
    ("folder attach --path new -e 'a b'", 2, "a b"),
    ("folder detach", 2, "not attached"),
    ("experiment list --path missing", 2, "missing"),
    ("experiment list -w missing", 2, "missing"),
    ("workspace show -w ../x", 2, "../x"),
    ("workspace create", 2, "Which name?"),
    ("workspace list-keys", 2, "list-keys"),
    ("shim env --python /nowhere/python", 2, "/nowhere/python"),
    ("shim run missing.py", 2, "missing.py"),
    ("shim run --python /nowhere/python main.py", 2, "/nowhere/python"),
]
AZ_CASES = [
    ("ml pipeline list", "az ml pipeline"),
    ("ml model register -n x", "az ml model"),
    ("ml datastore list --whatever", "az ml datastore"),
    ("ml job create -f job.yml", "CLI v2"),
    ("ml nonsense", "nonsense"),
    ("ml run nonsense", "nonsense"),
]


@pytest.fixture
def folder(shared: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a script and with broken files, in which the commands are typed."""
    (tmp_path / "main.py").write_text("print('hello'\n")
    (tmp_path / "bomb.yml").write_text(BOMB)
    configs = tmp_path / ".azureml"
    configs.mkdir()
    (configs / "bomb.runconfig").write_text(BOMB + "target: [*c, *c]\nscript: {*a : *b}\n")
    (configs / "listed.runconfig").write_text("- target\n- local\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("typed", "code", "said"), CASES, ids=[case[0] for case in CASES])
def test_bad_input_is_told_and_ends_with_its_code(
    folder: Path, typed: str, code: int, said: str
) -> None:
    words = _words(typed)
    needs_desk = words[0] in ("run", "computetarget") and not set(words) & {"-w", "--path"}

    if needs_desk:
        at = 3 if words[1] in ("attach", "create") else 2
        words[at:at] = DESK
    answer = command(main.program(), *words)

    assert answer.code == code, answer
    assert said in " ".join(answer.err.split()), answer
    assert "Traceback" not in answer.err
    assert answer.out == ""


@pytest.mark.parametrize(("typed", "said"), AZ_CASES)
def test_what_az_ml_had_and_is_not_here_is_refused_by_name(typed: str, said: str) -> None:
    answer = command(az.program(), *_words(typed))

    assert answer.code == 2
    assert said in answer.err


def _words(typed: str) -> list[str]:
    """Split at blanks; '…' is one word, and quotes within a word stay."""
    words, inside = [""], False
    for at, char in enumerate(typed):
        if char == "'" and (inside or (at and typed[at - 1] == " ")):
            inside = not inside
        elif char == " " and not inside:
            words.append("")
        else:
            words[-1] += char
    return words
