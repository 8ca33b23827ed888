"""A call that is fine of every public function and method of v1 that takes arguments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.rigs.desk import Desk
from tests.rigs.v1names import named

MADE: list[Any] = []


class Call(NamedTuple):
    """A call that is fine; `make` gives what is called, afresh."""

    make: Callable[[Desk], Any]
    given: dict[str, Any]


def run_of(desk: Desk) -> Any:
    MADE.append(desk.experiment.start_logging(outputs=False, snapshot_directory=None))
    return MADE[-1]


def on(make: Callable[[Desk], Any], name: str, /, **given: Any) -> tuple[str, Call]:
    owner = make.__name__.partition("_")[0].strip("<>")
    return f"{owner}.{name}", Call(lambda desk: getattr(make(desk), name), given)


def of(path: str, name: str = "", /, **given: Any) -> tuple[str, Call]:
    def make(desk: Desk) -> Any:
        found = named(path)
        return getattr(found, name) if name else found

    return f"{path.rpartition('.')[2]}{'.' if name else ''}{name}", Call(make, given)


def workspace(desk: Desk) -> Any:
    return desk.workspace


def experiment(desk: Desk) -> Any:
    return desk.experiment


class Late(NamedTuple):
    """A value that needs the desk."""

    make: Callable[[Desk], Any]


WS = Late(workspace)
EXP = Late(experiment)
CONFIG = Late(lambda desk: desk.config(desk.source("ok", main="print(1)\n")))
FILE = Late(lambda desk: _file(desk))
FOLDER = Late(lambda desk: str(Path(_file(desk)).parent))
SAMPLING = Late(
    lambda _: named("azureml.train.hyperdrive.RandomParameterSampling")({"a": ["choice", [[1]]]})
)
GOAL = Late(lambda _: named("azureml.train.hyperdrive.PrimaryMetricGoal").MAXIMIZE)


def _file(desk: Desk) -> str:
    path = desk.root / "files" / "some.txt"
    path.parent.mkdir(exist_ok=True)
    path.write_text("numpy\n")
    return str(path)


def _conda(desk: Desk) -> str:
    path = desk.root / "env.yml"
    path.write_text("dependencies: [python=3.9]\n")
    return str(path)


CONDA = Late(_conda)
MATRIX = {"schema_type": "confusion_matrix", "data": {}}
CALLS: dict[str, Call] = dict(
    [
        of(
            "azureml.core.Workspace",
            subscription_id="local",
            resource_group="local",
            workspace_name="desk",
        ),
        of("azureml.core.Workspace", "from_config", path=FOLDER),
        of("azureml.core.Workspace", "get", name="desk"),
        of("azureml.core.Workspace", "list", subscription_id="s"),
        of("azureml.core.Workspace", "create", name="desk", exist_ok=True),
        on(workspace, "write_config", path=FOLDER, file_name="x"),
        on(workspace, "get_default_compute_target", type="CPU"),
        on(workspace, "get_run", run_id="x"),
        of("azureml.core.get_run", experiment=EXP, run_id="x"),
        of("azureml.core.Experiment", workspace=WS, name="x"),
        of("azureml.core.Experiment", "list", workspace=WS, experiment_name="x", tags={"a": "b"}),
        of("azureml.core.Experiment", "delete", workspace=WS, experiment_id="x"),
        on(experiment, "submit", config=CONFIG, tags={"a": "b"}),
        on(
            experiment,
            "start_logging",
            outputs=False,
            snapshot_directory=None,
            name="x",
            run_id=None,
            display_name="d",
            description="t",
            tags={"a": "b"},
        ),
        on(experiment, "get_runs", type="x", tags="a", properties={"a": "b"}),
        on(experiment, "tag", key="k", value="v"),
        on(experiment, "set_tags", tags={"k": "v"}),
        on(experiment, "remove_tags", tags=["k"]),
        of("azureml.core.Run", experiment=EXP, run_id="x"),
        of("azureml.core.ScriptRun", experiment=EXP, run_id="x"),
        of("azureml.core.Run", "get", workspace=WS, run_id="x"),
        of("azureml.core.Run", "list", experiment=EXP, type="t", tags="a", properties="b"),
        on(run_of, "submit_child", config=CONFIG, tags={"a": "b"}),
        on(run_of, "get_children", tags="a", properties={"a": "b"}, type="t", status="Running"),
        on(run_of, "get_metrics", name="n", run_type="t"),
        on(run_of, "get_all_logs", destination=FOLDER),
        on(run_of, "fail", error_details="x", error_code="y"),
        on(run_of, "flush", timeout_seconds=300),
        on(run_of, "child_run", name="n", run_id=None, outputs=None),
        on(run_of, "create_children", count=1),
        on(run_of, "tag", key="k", value="v"),
        on(run_of, "set_tags", tags={"k": "v"}),
        on(run_of, "remove_tags", tags=["k"]),
        on(run_of, "add_properties", properties={"k": "v"}),
        on(run_of, "log", name="n", value=1, description="d", step=1),
        on(run_of, "log_list", name="n", value=[1], description="d"),
        on(run_of, "log_row", name="n", description="d", a=1),
        on(run_of, "log_table", name="n", value={"a": [1]}, description="d"),
        on(run_of, "log_confusion_matrix", name="n", value=MATRIX, description="d"),
        on(run_of, "log_accuracy_table", name="n", value=MATRIX, description="d"),
        on(run_of, "log_residuals", name="n", value=MATRIX, description="d"),
        on(run_of, "log_predictions", name="n", value=MATRIX, description="d"),
        on(run_of, "log_image", name="n", plot=None, path=FILE, description="d"),
        on(run_of, "upload_file", name="n", path_or_stream=FILE),
        on(run_of, "upload_folder", name="n", path=FOLDER),
        on(run_of, "upload_files", names=["n"], paths=[FILE], timeout_seconds=None),
        on(run_of, "download_file", name="n", output_file_path=FOLDER),
        on(run_of, "download_files", prefix="n", output_directory=FOLDER, output_paths=None),
        on(run_of, "take_snapshot", file_or_folder_path=FOLDER),
        on(run_of, "restore_snapshot", snapshot_id="0" * 64, path=FOLDER),
        on(
            run_of,
            "register_model",
            model_name="m",
            model_path="n",
            tags={"a": "b"},
            properties={"a": "b"},
            model_framework="f",
            model_framework_version="1",
            description="d",
        ),
        of(
            "azureml.core.ScriptRunConfig",
            source_directory=FOLDER,
            script="x",
            arguments=[],
            command=None,
            compute_target="local",
            environment=None,
            distributed_job_config=None,
            max_run_duration_seconds=1,
            docker_runtime_config=None,
            run_config=None,
        ),
        of(
            "azureml.core.RunConfiguration",
            script="x",
            arguments=[],
            framework="Python",
            communicator="None",
            command="",
        ),
        on(lambda _: named("azureml.core.RunConfiguration")(), "save", path=FOLDER, name="saved"),
        of("azureml.core.RunConfiguration", "load", path=FOLDER, name="x"),
        of("azureml.core.RunConfiguration", "delete", path=FOLDER, name="x"),
        of(
            "azureml.core.runconfig.DockerConfiguration",
            use_docker=True,
            arguments=[],
            shm_size="2g",
        ),
        of("azureml.core.runconfig.MpiConfiguration", process_count_per_node=1, node_count=1),
        of(
            "azureml.core.runconfig.PyTorchConfiguration",
            communication_backend="Gloo",
            process_count=1,
            node_count=1,
        ),
        of(
            "azureml.core.runconfig.TensorflowConfiguration",
            worker_count=1,
            parameter_server_count=1,
        ),
        of("azureml.core.Environment", name="e"),
        of("azureml.core.Environment", "from_conda_specification", name="e", file_path=CONDA),
        of(
            "azureml.core.Environment",
            "from_pip_requirements",
            name="e",
            file_path=FILE,
            pip_version="1",
        ),
        of("azureml.core.Environment", "from_dockerfile", name="e", dockerfile="FROM x"),
        of("azureml.core.Environment", "from_docker_image", name="e", image="x"),
        of("azureml.core.Environment", "load_from_directory", path=FOLDER),
        on(lambda _: named("azureml.core.Environment")("e"), "clone", new_name="f"),
        on(
            lambda _: named("azureml.core.Environment")("e"),
            "save_to_directory",
            path=Late(lambda desk: str(desk.root / "saved")),
            overwrite=True,
        ),
        of(
            "azureml.core.conda_dependencies.CondaDependencies",
            "create",
            pip_indexurl="x",
            pip_packages=["a"],
            conda_packages=["b"],
            python_version="3.9",
        ),
        of("azureml.core.conda_dependencies.CondaDependencies", conda_dependencies_file_path=CONDA),
        *(
            on(lambda _: named("azureml.core.runconfig.CondaDependencies")(), name, **given)
            for name, given in {
                "add_channel": {"channel": "c"},
                "add_conda_package": {"conda_package": "c"},
                "remove_conda_package": {"conda_package": "c"},
                "add_pip_package": {"pip_package": "c"},
                "remove_pip_package": {"pip_package": "c"},
                "set_pip_index_url": {"index_url": "c"},
                "set_python_version": {"version": "3"},
                "set_pip_requirements": {"pip_requirements": ["c"]},
                "add_tensorflow_pip_package": {"core_type": "cpu", "version": "2"},
                "save_to_file": {"base_directory": FOLDER, "conda_file_path": "c.yml"},
            }.items()
        ),
        of("azureml.core.ComputeTarget", workspace=WS, name="local"),
        of(
            "azureml.core.ComputeTarget",
            "create",
            workspace=WS,
            name="made",
            provisioning_configuration=Late(
                lambda _: named("azureml.core.compute.AmlCompute").provisioning_configuration(
                    max_nodes=1
                )
            ),
        ),
        of(
            "azureml.core.ComputeTarget",
            "attach",
            workspace=WS,
            name="put",
            attach_configuration={"kind": "local"},
        ),
        of("azureml.core.ComputeTarget", "list", workspace=WS),
        of(
            "azureml.core.compute.AmlCompute",
            "provisioning_configuration",
            vm_size="x",
            vm_priority="y",
            min_nodes=0,
            max_nodes=1,
            idle_seconds_before_scaledown=1,
            tags={"a": "b"},
            description="d",
        ),
        of(
            "azureml.core.compute.RemoteCompute",
            "attach_configuration",
            username="u",
            address="a",
            ssh_port=22,
        ),
        of(
            "azureml.train.hyperdrive.HyperDriveConfig",
            hyperparameter_sampling=SAMPLING,
            primary_metric_name="m",
            primary_metric_goal=GOAL,
            max_total_runs=2,
            max_concurrent_runs=1,
            max_duration_minutes=1,
            policy=None,
            run_config=CONFIG,
        ),
        of(
            "azureml.train.hyperdrive.RandomParameterSampling",
            parameter_space={"a": ["choice", [[1]]]},
        ),
        of("azureml.train.hyperdrive.BanditPolicy", evaluation_interval=1, slack_factor=0.1),
        of("azureml.train.hyperdrive.MedianStoppingPolicy", evaluation_interval=1),
        of("azureml.train.hyperdrive.TruncationSelectionPolicy", truncation_percentage=5),
        of("azureml.train.hyperdrive.PrimaryMetricGoal", "from_str", goal="maximize"),
        of("azureml.train.hyperdrive.uniform", min_value=0, max_value=1),
        of("azureml.train.hyperdrive.quniform", min_value=0, max_value=1, q=1),
        of("azureml.train.hyperdrive.normal", mu=0, sigma=1),
        of("azureml.train.hyperdrive.randint", upper=3),
        of("azureml.core.model.Model", workspace=WS, name="m", version=1),
        of("azureml.core.model.Model", "list", workspace=WS, name="m", tags="a"),
        of("azureml.widgets.RunDetails", run_instance=Late(run_of)),
    ]
)


def made(value: Any, desk: Desk) -> Any:
    if isinstance(value, Late):
        return value.make(desk)
    if isinstance(value, list):
        return [made(item, desk) for item in value]
    return value
