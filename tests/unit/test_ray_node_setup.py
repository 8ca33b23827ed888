"""The agent's code on a Ray node: what a power cut has damaged is unpacked again."""

from pathlib import Path

from dispatcher.agent.origin import PRIVATE_PACKAGE
from dispatcher.agent.runtime import build_zip
from targets.ray.node_setup import AGENT_PACKAGE, code_folder


def test_the_code_is_unpacked_once(tmp_path: Path) -> None:
    code = build_zip()
    folder = Path(code_folder(str(tmp_path), code))
    (folder / "marker").touch()
    assert Path(code_folder(str(tmp_path), code)) == folder
    assert (folder / "marker").exists()


def test_a_damaged_code_folder_is_unpacked_again(tmp_path: Path) -> None:
    code = build_zip()
    folder = Path(code_folder(str(tmp_path), code))
    source = folder / PRIVATE_PACKAGE / "agent/node.py"
    before = source.read_bytes()
    source.write_bytes(b"")
    assert Path(code_folder(str(tmp_path), code)) == folder
    assert source.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_the_agent_is_imported_by_the_name_that_it_has_in_the_runtime() -> None:
    assert AGENT_PACKAGE == PRIVATE_PACKAGE
