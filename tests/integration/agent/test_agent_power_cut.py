"""After a power cut an agent never takes an empty file of a cache for a real one."""

import sys
from pathlib import Path

from dispatcher.agent.runtime import materialise
from tests.integration.agent.fake_service import FakeService
from tests.integration.agent.rig import agent_on, job
from tests.rigs.disk import cut_disk

FILES = {"main.py": b"import part\nprint(part.VALUE)", "part.py": b"VALUE = 42"}


def test_a_snapshot_that_was_fetched_before_a_power_cut_is_whole_afterwards(
    service: FakeService, tmp_path: Path
) -> None:
    snapshot = service.add_snapshot(FILES)
    script = {"script": "main.py", "snapshot": snapshot}
    with cut_disk(tmp_path / "disk") as disk:
        root = disk.folder / "agent"
        with agent_on(root) as agent:
            agent.ask("configure", service=service.address)
            assert agent.run(job("before-1", **script))["tail"] == "42\n"
            left = disk.copy()
        disk.put_back(left)
        with agent_on(root) as agent:
            agent.ask("configure", service=service.address)
            ended = agent.run(job("after-1", **script))
            assert (ended["exit_code"], ended["tail"]) == (0, "42\n")


def test_a_damaged_snapshot_is_fetched_again_when_it_is_first_used_after_a_start(
    service: FakeService, tmp_path: Path
) -> None:
    snapshot = service.add_snapshot(FILES)
    script = {"script": "main.py", "snapshot": snapshot}
    with agent_on(tmp_path / "agent") as agent:
        agent.ask("configure", service=service.address)
        agent.run(job("before-1", **script))
        (agent.root / "snapshots" / snapshot / "main.py").write_bytes(b"")
        agent.restart()
        ended = agent.run(job("after-1", **script))
        assert (ended["exit_code"], ended["tail"]) == (0, "42\n")
    assert service.requests[f"/api/v1/snapshots/{snapshot}/archive"] == 2


def test_the_runtime_folder_that_was_made_before_a_power_cut_is_whole_afterwards(
    tmp_path: Path,
) -> None:
    with cut_disk(tmp_path / "disk") as disk:
        root = disk.folder / "runtime"
        root.mkdir()
        folder = Path(materialise(str(root), sys.executable))
        before = contents(folder)
        left = disk.copy()
        disk.put_back(left)
        assert contents(folder) == before


def test_a_damaged_runtime_folder_is_made_anew(tmp_path: Path) -> None:
    folder = Path(materialise(str(tmp_path), sys.executable))
    before = contents(folder)
    for damaged in (folder / "dispatcher/__init__.py", next(folder.rglob("*.pyc"))):
        damaged.write_bytes(b"")
        assert Path(materialise(str(tmp_path), sys.executable)) == folder
        assert contents(folder) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
