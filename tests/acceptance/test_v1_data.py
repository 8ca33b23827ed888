"""Programs as Azure ML v1 had them, unchanged: what runs log, keep and are given."""

from pathlib import Path

from tests.rigs.programs import HEAD, RANKS, Place, program


def test_metrics_of_every_shape(place: Place) -> None:
    program(
        place.folder,
        '''
        write("""
import math
run.log("one", 1); run.log("many", 1); run.log("many", 2.5); run.log("step", 3, step=7)
run.log("text", "a"); run.log("none", None); run.log("flag", True); run.log("tuple", (1, 2))
run.log("odd", math.nan); run.log("inf", math.inf); run.log("-inf", -math.inf)
run.log("nul", "a\\\\0b"); run.log("sur", "a\\\\ud800b"); run.log("big", 2**80)
run.log_list("list", [1, 2]); run.log_list("list", (3,)); run.log_list("single", [5])
run.log_list("range", range(3)); run.log_list("gen", (k for k in [1, 2.5]))
run.log_list("empty", [])
run.log_row("row", a=1, b="x"); run.log_row("rows", a=1, b=2); run.log_row("rows", a=3, b=4)
run.log_table("table", {"x": [1, 2], "y": [0.5, 1]}); run.log_table("table", {"x": [3], "y": [2]})
run.log_table("onerow", {"x": [1], "y": 2})
run.log_confusion_matrix("matrix", {"schema_type": "confusion_matrix", "data": {"matrix": [[1]]}})
run.log_accuracy_table("accuracy", '{"schema_type": "accuracy_table", "data": {}}')
run.log_residuals("residuals", {"data": {"bin_edges": [1]}}); run.log_predictions("p", {"data": {}})
for name, wrong in (("log", [1]), ("log", range(2)), ("log_confusion_matrix", "{")):
    try:
        getattr(run, name)("wrong", wrong)
    except Exception as error:
        assert type(error).__name__ == "UserErrorException", error
    else:
        raise SystemExit(name)
for columns in ({"a": [1, 2], "b": [1]},):
    try:
        run.log_table("wrong", columns)
    except Exception as error:
        assert "equally long" in str(error)
    else:
        raise SystemExit("unequal columns")
run.log_list("huge", ["x" * (1 << 20)] * 20)
run.log_list("long", list(range(200000)))
""")
        import math
        run = exp.submit(config())
        run.wait_for_completion(show_output=True)
        got = run.get_metrics()
        for name in ("matrix", "accuracy", "residuals", "p"):
            uri = got.pop(name)
            assert uri.startswith("aml://artifactId/ExperimentRun/dcid." + run.id), uri
        assert math.isnan(got.pop("odd"))
        assert [len(x) for x in got.pop("huge")] == [1 << 20] * 20
        assert got.pop("long") == list(range(200000))
        assert got == {
            "one": 1, "many": [1, 2.5], "step": 3, "text": "a", "none": None, "flag": True,
            "tuple": "(1, 2)", "inf": math.inf, "-inf": -math.inf, "nul": "a\\ufffdb",
            "sur": got["sur"], "big": 2**80, "list": [1, 2, 3], "single": 5, "range": [0, 1, 2],
            "gen": [1.0, 2.5], "row": {"a": 1, "b": "x"}, "rows": {"a": [1, 3], "b": [2, 4]},
            "table": {"x": [1, 2, 3], "y": [0.5, 1.0, 2]}, "onerow": {"x": 1, "y": 2},
        }, got
        assert run.get_metrics("one") == {"one": 1}
        assert run.get_metrics("nothing") == {}
        assert run.get_metrics(recursive=True).keys() == {run.id}
        full = run.get_metrics("matrix", populate=True)["matrix"]
        assert full.data["data"] == {"matrix": [[1]]}
        other = exp.start_logging(snapshot_directory=None)
        other.log_list("huge", ["x" * (1 << 20)] * 20)
        other.log("nan", math.nan)
        other.flush()
        assert [len(x) for x in Run(exp, other.id).get_metrics()["huge"]] == [1 << 20] * 20
        other.complete()
        ''',
        target=place.target,
    )


def test_files_models_and_snapshots(place: Place) -> None:
    program(
        place.folder,
        '''
        from azureml.core.model import Model
        write("""
import os
os.makedirs("outputs/deep", exist_ok=True); os.makedirs("logs", exist_ok=True)
open("outputs/deep/model.bin", "wb").write(b"model")
open("logs/mine.txt", "w").write("followed")
open("scratch.txt", "w").write("lost")
print("said")
run.upload_file("up/one.txt", "scratch.txt")
run.upload_folder("folder", "outputs")
""")
        write("", "ignored.txt"); write("", "kept.txt")
        open("src/.amlignore", "w").write("ignored.*\\n")
        run = exp.submit(config())
        run.wait_for_completion()
        names = run.get_file_names()
        for name in ("outputs/deep/model.bin", "logs/mine.txt", "up/one.txt",
                     "folder/deep/model.bin", "user_logs/std_log.txt"):
            assert name in names, names
        assert not any("scratch" in name for name in names)
        run.download_file("outputs/deep/model.bin")
        assert open("model.bin", "rb").read() == b"model"
        os.makedirs("there")
        run.download_file("up/one.txt", "there")
        assert open("there/one.txt").read() == "lost"
        run.download_files("outputs", "all", append_prefix=False)
        assert open("all/deep/model.bin", "rb").read() == b"model"
        try:
            run.download_file("nothing")
        except UserErrorException as error:
            assert "up/one.txt" in error.message
        else:
            raise SystemExit("a missing file")
        paths = run.get_all_logs("logs-here")
        assert any(path.endswith("std_log.txt") for path in paths)
        assert os.listdir("src").count("outputs") == 0

        import zipfile
        archive = run.restore_snapshot(path="back")
        assert os.path.isabs(archive) and archive.endswith(run.get_snapshot_id() + ".zip")
        assert sorted(zipfile.ZipFile(archive).namelist()) == [".amlignore", "kept.txt", "main.py"]
        from azureml.exceptions import SnapshotException
        try:
            run.take_snapshot("src")
        except SnapshotException:
            pass
        else:
            raise SystemExit("a second snapshot")

        mine = "of-" + os.environ["PROGRAM_TARGET"]
        first = run.register_model(mine, "outputs/deep", tags={"a": 1}, model_framework="Custom")
        second = run.register_model(mine, "outputs/deep/model.bin")
        assert (first.id, second.version) == (mine + ":1", 2)
        assert Model(ws, mine).version == 2
        assert Model(ws, id=mine + ":1").tags == {"a": "1"}
        assert [m.version for m in Model.list(ws, mine)] == [2, 1]
        assert [m.version for m in Model.list(ws, mine, tags="a")] == [1]
        assert ws.models[mine].version == 2
        assert Model(ws, mine, version=1).model_framework == "Custom"
        target = Model(ws, mine).download("models")
        assert open(target, "rb").read() == b"model"
        ''',
        target=place.target,
    )


def test_an_environment_and_labels_are_read_back(place: Place) -> None:
    program(
        place.folder,
        '''
        from azureml.core import Environment
        from azureml.core.conda_dependencies import CondaDependencies
        write("""
import os
print(os.environ["MINE"], os.environ["TheirS"])
""")
        env = Environment("my-env")
        env.python.user_managed_dependencies = True
        env.environment_variables["MINE"] = "1"
        env.python.conda_dependencies = CondaDependencies.create(pip_packages=["numpy"])
        src = config(environment=env)
        src.run_config.environment_variables = {"TheirS": "2"}
        run = exp.submit(src, tags={"n": 3})
        src.run_config.environment_variables["TheirS"] = "changed"
        assert run.wait_for_completion()["runDefinition"]["environment"]["name"] == "my-env"
        read = run.get_environment()
        assert list(read.python.conda_dependencies.pip_packages) == ["numpy"]
        assert "1 2" in "".join(run.get_details_with_logs()["logFiles"].values())

        run.tag("label"); run.set_tags({"a": 1, "b": None, "c": ""})
        assert run.get_tags() == {"n": "3", "label": None, "a": "1", "b": None, "c": ""}
        run.remove_tags(["a", "nothing"])
        assert "a" not in Run.get(ws, run.id).tags
        run.add_properties({"author": "me"}); run.add_properties({"author": "me"})
        try:
            run.add_properties({"author": "you"})
        except Exception as error:
            assert "author" in str(error)
        else:
            raise SystemExit("a property has changed")
        run.display_name = "Shown"; run.description = "What for"
        again = Run(exp, run.id)
        assert (again.display_name, again.description) == ("Shown", "What for")
        assert run.clean() == []
        assert run.id in run.get_portal_url() and run.id in str(run)
        ''',
        target=place.target,
    )


def test_every_call_of_an_offline_run_works_and_prints(folder: Path) -> None:
    out = program(
        folder,
        """
        from azureml.core import Run
        from azureml.exceptions import RunEnvironmentException
        run = Run.get_context()
        assert run.id.startswith("OfflineRun_") and run.id != Run.get_context().id
        assert not hasattr(run, "experiment") and not isinstance(run, Run)
        run.log("a", 1); run.log_list("l", [1, 2]); run.log_row("r", x=1)
        run.log_table("t", {"x": [1]})
        run.log_image("i", path="x.png"); run.log_residuals("e", {}); run.log_predictions("p", {})
        run.log_accuracy_table("y", {}); run.log_confusion_matrix("c", {})
        run.tag("k", "v"); run.set_tags({"k": 1}); run.add_properties({"p": 1})
        run.upload_file("n", "missing"); run.upload_folder("n", "missing")
        run.upload_files(["n"], ["m"])
        run.flush(); run.complete(); run.cancel(); run.fail("why", "Code")
        child = run.child_run("kid")
        assert child.id == run.id + ".kid"
        with run as inside:
            assert inside is run
        try:
            Run.get_context(allow_offline=False)
        except RunEnvironmentException:
            print("no run")
        """,
        head="",
    )
    for kind, name in (
        *(("scalar", "a"), ("list", "l"), ("row", "r"), ("table", "t"), ("image", "i")),
        *(("residual", "e"), ("predictions", "p"), ("accuracy_table", "y")),
        ("confusion_matrix", "c"),
    ):
        assert f"Attempted to log {kind} metric {name}:\n" in out
    assert "Run failed with error code Code:\nwhy" in out
    assert "[START] Run OfflineRun_" in out
    assert "[STOP] Run OfflineRun_" in out
    assert out.endswith("no run\n")


def test_a_cluster_is_asked_for_found_and_used(folder: Path) -> None:
    program(
        folder,
        """
        from azureml.core.compute import AmlCompute, ComputeTarget
        from azureml.core.compute_target import ComputeTargetException
        from azureml.core.authentication import InteractiveLoginAuthentication
        Workspace.from_config(auth=InteractiveLoginAuthentication(tenant_id="x"))
        try:
            target = ComputeTarget(workspace=ws, name="cpu-cluster")
        except ComputeTargetException as error:
            assert "ComputeTargetNotFound" in str(error)
            wanted = AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=4)
            target = ComputeTarget.create(ws, "cpu-cluster", wanted)
        target.wait_for_completion(show_output=True, min_node_count=None, timeout_in_minutes=20)
        assert isinstance(ws.compute_targets["cpu-cluster"], AmlCompute)
        status = target.get_status().serialize()
        assert status["scaleSettings"]["maxNodeCount"] == 4 and status["currentNodeCount"] == 1
        assert (target.type, target.provisioning_state) == ("AmlCompute", "Succeeded")
        target.update(max_nodes=2)
        assert target.get_status().scale_settings.maximum_node_count == 2
        write("print('here')")
        run = exp.submit(config(compute_target=target))
        assert run.wait_for_completion()["target"] == "cpu-cluster"
        assert [r.id for r in Run.list_by_compute(target)] == [run.id]
        assert list(target.get_active_runs()) == []
        assert ws.get_default_compute_target("CPU").name == "cpu-cluster"
        target.delete()
        assert "cpu-cluster" not in ws.compute_targets
        """,
    )


def test_every_process_of_a_distributed_run_knows_its_rank(folder: Path) -> None:
    program(
        folder,
        """
        import ast
        def seen(job):
            src = config(distributed_job_config=job)
            src.run_config.cpus = 0.5
            run = exp.submit(src)
            run.wait_for_completion(show_output=True)
            rows = run.get_metrics()["seen"]
            logs = [name for name in run.get_file_names() if name.startswith("user_logs/std_log")]
            return [dict(zip(rows, row)) for row in zip(*rows.values())], logs

        rows, logs = seen(PyTorchConfiguration("Gloo", process_count=2))
        names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "NODE_RANK")
        assert sorted(tuple(r[name] for name in names) for r in rows) == [
            ("0", "0", "2", "0"), ("1", "1", "2", "0")], rows
        assert len({(r["MASTER_ADDR"], r["MASTER_PORT"]) for r in rows}) == 1
        assert len(logs) == 2, logs

        rows, logs = seen(MpiConfiguration(process_count_per_node=3))
        assert sorted((r["RANK"], r["SIZE"], r["LOCAL_RANK"], r["LOCAL_SIZE"]) for r in rows) == [
            (str(k), "3", str(k), "3") for k in range(3)], rows
        assert len({r["node"] for r in rows}) == 1 and ":" in rows[0]["node"]
        assert len(logs) == 3, logs

        rows, logs = seen(TensorflowConfiguration(worker_count=1, parameter_server_count=1))
        told = [ast.literal_eval(r["tf"]) for r in rows]
        tasks = sorted((t["task"]["type"], t["task"]["index"]) for t in told)
        assert tasks == [("ps", 0), ("worker", 0)], told
        assert all(t["environment"] == "cloud" for t in told)
        assert len(told[0]["cluster"]["worker"]) == len(told[0]["cluster"]["ps"]) == 1
        """,
        head=HEAD + RANKS,
    )
