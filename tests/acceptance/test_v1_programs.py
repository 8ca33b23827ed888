"""Programs as Azure ML v1 had them, unchanged, run as processes of their own beside a workspace."""

from pathlib import Path

from tests.rigs.programs import Place, program


def test_a_parent_with_children_and_grandchildren(place: Place) -> None:
    program(
        place.folder,
        '''
        write("""
import sys
from azureml.core import ScriptRunConfig
depth = int(sys.argv[1])
run.tag("depth", str(depth))
run.add_properties({"kind": "even" if depth % 2 == 0 else "odd"})
run.log("depth", depth)
if depth:
    for k in range(2):
        run.submit_child(ScriptRunConfig(".", "main.py", [depth - 1]), tags={"k": str(k)})
    for child in run.get_children():
        child.wait_for_completion()
else:
    assert run.parent.id
""")
        where = os.environ["PROGRAM_TARGET"]
        root = exp.submit(config(2), tags={"root": where})
        assert root.wait_for_completion()["status"] == "Completed"
        children = list(root.get_children())
        below = list(root.get_children(recursive=True))
        assert (len(children), len(below)) == (2, 6), below
        assert root.id not in {run.id for run in below}
        assert [c.parent.id for c in children] == [root.id] * 2
        assert len(list(root.get_children(recursive=True, tags={"depth": "0"}))) == 4
        odd = root.get_children(recursive=True, tags="k", properties={"kind": "odd"})
        assert len(list(odd)) == 2
        assert len(list(root.get_children(recursive=True, tags={"k": "0", "depth": "0"}))) == 2
        assert list(root.get_children(recursive=True, tags={"depth": "9"})) == []
        assert len(list(root.get_children(type="azureml.scriptrun", status="Completed"))) == 2
        assert list(root.get_children(status="Failed")) == []
        starts = [c.get_details()["startTimeUtc"] for c in children]
        assert starts == sorted(starts, reverse=True)
        metrics = root.get_metrics(recursive=True)
        assert sorted(m["depth"] for m in metrics.values()) == [0, 0, 0, 0, 1, 1, 2]
        assert [r.id for r in exp.get_runs(tags={"root": where})] == [root.id]
        assert root.id in {r.id for r in exp.get_runs(include_children=True)}
        found = Run.get(ws, children[0].id)
        assert (type(found).__name__, found.type) == ("ScriptRun", "azureml.scriptrun")
        deepest = Run.list_by_compute(ws.compute_targets["local"], tags={"depth": "0"})
        assert len([run for run in deepest if run.id in {r.id for r in below}]) == 4
        ''',
        target=place.target,
    )


def test_filters_over_hundreds_of_runs(folder: Path) -> None:
    program(
        folder,
        """
        parent = exp.start_logging(snapshot_directory=None)
        made = []
        for start in range(0, 300, 100):
            values = [str(k) for k in range(start, start + 100)]
            made += parent.create_children(tag_key="k", tag_values=values)
        assert [c.tags["k"] for c in made] == [str(k) for k in range(300)]
        assert {c.status for c in made} == {"Running"}
        for child in made[:30]:
            child.tag("a=b", "c=d")
            child.tag("plain")
        made[0].complete(); made[1].fail("no"); made[2].cancel()
        assert len(list(parent.get_children())) == 300
        newest_first = [str(k) for k in reversed(range(300))]
        assert [c.tags["k"] for c in parent.get_children()] == newest_first
        assert [c.id for c in parent.get_children(tags={"k": "77"})] == [made[77].id]
        assert len(list(parent.get_children(tags="plain"))) == 30
        assert len(list(parent.get_children(tags={"plain": None}))) == 30
        assert len(list(parent.get_children(tags="a=b"))) == 30
        assert len(list(parent.get_children(tags={"a=b": "c=d"}))) == 30
        assert list(parent.get_children(tags={"a=b": "c"})) == []
        assert len(list(parent.get_children(tags={}))) == 300
        assert [c.id for c in parent.get_children(status="Failed")] == [made[1].id]
        assert [c.id for c in parent.get_children(status="Canceled")] == [made[2].id]
        try:
            exp.get_runs(status="Running")
        except TypeError:
            pass
        else:
            raise SystemExit("get_runs takes no status")
        assert "generator" in str(parent.get_children())
        for wrong in ({"count": 101}, {}, {"count": 1, "tag_key": "k"}, {"tag_key": "k"}):
            try:
                parent.create_children(**wrong)
            except UserErrorException:
                continue
            raise SystemExit(wrong)
        assert parent.create_children(count=2)[1].tags == {"azureml.batch_child_number": "1"}
        parent.complete()
        assert parent.get_status() == "Completed"
        assert made[5].get_status() == "Running"
        """,
    )


def test_runs_are_canceled_and_failed_in_every_phase(place: Place) -> None:
    program(
        place.folder,
        '''
        write("""
import sys, time, os
what = sys.argv[1]
if what == "sleep":
    print("asleep", flush=True)
    time.sleep(60)
elif what == "raise":
    raise ValueError("no luck \\\\ud800")
elif what == "exit":
    sys.exit(int(sys.argv[2]))
elif what == "fail":
    run.fail("said so", error_code="Mine")
elif what == "with":
    with run:
        run.complete()
        run.cancel()
""")
        def until(run, status):
            deadline = time.time() + 30
            while run.get_status() != status:
                assert time.time() < deadline, run.get_status()
                time.sleep(0.05)

        at_once = exp.submit(config("sleep"))
        at_once.cancel()
        until(at_once, "Canceled")
        running = exp.submit(config("sleep"))
        until(running, "Running")
        running.cancel()
        assert running.wait_for_completion()["status"] == "Canceled"  # it does not raise
        running.cancel()
        running.fail("too late")
        assert running.get_status() == "Canceled"

        failed = exp.submit(config("sleep"))
        until(failed, "Running")
        failed.fail(error_details="from outside")
        assert failed.wait_for_completion(raise_on_error=False)["status"] == "Failed"
        assert failed.get_details()["error"]["error"]["message"] == "from outside"

        raised = exp.submit(config("raise"))
        try:
            raised.wait_for_completion()
        except ActivityFailedException as error:
            assert error.message.startswith("Activity Failed:")
        else:
            raise SystemExit("a failed run raises")
        details = raised.get_details()
        assert details["status"] == "Failed" and "error" in details
        assert "no luck" in "".join(raised.get_details_with_logs()["logFiles"].values())

        ended = exp.submit(config("exit", 3))
        assert ended.wait_for_completion(raise_on_error=False)["status"] == "Failed"
        assert exp.submit(config("exit", 0)).wait_for_completion()["status"] == "Completed"
        inside = exp.submit(config("fail"))
        told = inside.wait_for_completion(raise_on_error=False)
        assert told["status"] == "Completed"  # the exit code decides
        assert told["error"]["error"]["code"] == "Mine"
        assert exp.submit(config("with")).wait_for_completion()["status"] == "Completed"

        with exp.start_logging(snapshot_directory=None) as run:
            pass
        assert run.get_status() == "Completed"
        try:
            with exp.start_logging(snapshot_directory=None) as run:
                raise KeyError("x")
        except KeyError:
            pass
        error = run.get_details()["error"]["error"]
        assert run.get_status() == "Failed"
        assert (error["code"], error["message"]) == (
            "UserError", "User program failed with KeyError: 'x'")
        with exp.start_logging(snapshot_directory=None) as run:
            raise SystemExit(0)
        assert run.get_status() == "Completed"
        run = exp.start_logging(snapshot_directory=None)
        try:
            run.fail(3)
        except TypeError:
            pass
        assert run.get_status() == "Running"
        run.fail(); run.complete()
        assert run.get_details()["error"]["error"] == {"code": "UserError"}
        ''',
        target=place.target,
    )


def test_output_is_streamed_in_v1s_layout(place: Place) -> None:
    out = program(
        place.folder,
        '''
        write("""
import time
for k in range(3):
    print("line", k, flush=True)
    time.sleep(0.2)
""")
        run = exp.submit(config())
        run.wait_for_completion(show_output=True)
        print("===", run.id)
        assert "details" in run.get_detailed_status()
        ''',
        target=place.target,
    )
    told, _, run_id = out.partition("=== ")
    lines = told.splitlines()
    assert lines[0] == f"RunId: {run_id.strip()}"
    assert lines[1].startswith("Web View: ")
    title = "Streaming user_logs/std_log.txt"
    assert lines[3:6] == [title, "=" * len(title), ""]
    assert lines[6:9] == ["line 0", "line 1", "line 2"]
    assert lines[10:12] == ["Execution Summary", "================="]
