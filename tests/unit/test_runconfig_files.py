"""Files of run configurations and environments: v1's own, and those that are wrong."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.configs.run_configuration import RunConfiguration
from dispatcher.client.v1.environments.conda_dependencies import CondaDependencies
from dispatcher.client.v1.environments.environment import Environment

V1 = """\
# The script to run.
script: train.py
# The arguments to the script file.
arguments: [--epochs, 3, --lr, 0.1]
target: cpu-cluster
framework: Python
communicator: None
autoPrepareEnvironment: true
maxRunDurationSeconds:
nodeCount: 1
priority:
environment:
  name: my-env
  version: 3
# Environment variables set for the run.
  environmentVariables:
    EXAMPLE_ENV_VAR: EXAMPLE_VALUE
    My_Own: '7'
  python:
    userManagedDependencies: false
    interpreterPath: python
    condaDependenciesFile: conda_dependencies.yml
    baseCondaEnvironment:
  docker:
    enabled: false
    baseImage: mcr.microsoft.com/azureml/base:0.2.4
    sharedVolumes: true
    gpuSupport: false
    arguments: []
    baseImageRegistry:
      address:
      username:
      password:
    platform: {os: Linux, architecture: amd64}
  spark:
    repositories:
    - https://mmlspark.azureedge.net/maven
    packages:
    - group: com.microsoft.ml.spark
      artifact: mmlspark_2.11
      version: '0.12'
    precachePackages: true
  databricks:
    mavenLibraries: []
    pypiLibraries: []
    rcranLibraries: []
    jarLibraries: []
    eggLibraries: []
  r:
  inferencingStackVersion:
history:
  outputCollection: true
  snapshotProject: true
  directoriesToWatch:
  - logs
spark:
  configuration:
    spark.app.name: Azure ML Experiment
    spark.yarn.maxAppAttempts: 1
docker:
  useDocker: true
  sharedVolumes: true
  arguments: []
  shmSize: 4g
hdi:
  yarnDeployMode: cluster
tensorflow:
  workerCount: 1
  parameterServerCount: 1
mpi:
  processCountPerNode: 2
  nodeCount: 1
pytorch:
  communicationBackend: nccl
  processCount:
  nodeCount: 1
paralleltask:
  maxRetriesPerWorker: 0
  workerCountPerNode: 1
  terminalExitCodes:
dataReferences: {}
data: {}
outputData: {}
datacaches: []
sourceDirectoryDataStore:
amlcompute:
  vmSize:
  vmPriority:
  retainCluster: false
  clusterMaxNodeCount: 1
kubernetescompute:
  instanceType:
credentialPassthrough: false
command: ''
environmentVariables: {my_Var: x}
applicationEndpoints: {}
"""
CONDA = "name: e\ndependencies:\n- python=3.8\n- pip:\n  - numpy==1.20\n- scipy\nchannels: [x]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".azureml").mkdir()
    (tmp_path / ".azureml" / "sklearn.runconfig").write_text(V1)
    (tmp_path / ".azureml" / "conda_dependencies.yml").write_text(CONDA)
    return tmp_path


def test_a_file_of_v1_is_read_whole(folder: Path) -> None:
    config = RunConfiguration.load(str(folder), "sklearn")

    assert (config.script, config.arguments) == ("train.py", ["--epochs", 3, "--lr", 0.1])
    assert (config.target, config.node_count, config.priority) == ("cpu-cluster", 1, None)
    assert (config.environment.name, config.environment.version) == ("my-env", "3")
    assert config.environment.environment_variables["My_Own"] == "7"
    assert config.environment.docker.base_image == "mcr.microsoft.com/azureml/base:0.2.4"
    assert config.environment.spark.packages[0]["artifact"] == "mmlspark_2.11"
    assert (config.docker.use_docker, config.docker.shm_size) == (True, "4g")
    assert (config.mpi.process_count_per_node, config.pytorch.process_count) == (2, None)
    assert config.environment_variables == {"my_Var": "x"}
    packages = config.environment.python.conda_dependencies
    assert packages is not None
    assert list(packages.conda_packages) == ["python=3.8", "scipy"]
    assert list(packages.pip_packages) == ["numpy==1.20"]


def test_what_is_saved_is_yaml_and_reads_back_the_same(folder: Path) -> None:
    config = RunConfiguration.load(str(folder), "sklearn")
    config.environment.docker.base_dockerfile = "FROM x\nRUN y\n"
    config.save(str(folder), "again")

    saved = folder / ".azureml" / "again"
    told = yaml.safe_load(saved.read_text())
    assert told["environment"]["docker"]["baseDockerfile"] == "FROM x\nRUN y\n"
    assert told["environment"]["python"]["condaDependenciesFile"] == "conda_dependencies.yml"
    assert yaml.safe_load((folder / ".azureml" / "conda_dependencies.yml").read_text()) == {
        "name": "e",
        "dependencies": ["python=3.8", {"pip": ["numpy==1.20"]}, "scipy"],
        "channels": ["x"],
    }
    found = RunConfiguration.load(str(folder), "again")
    assert found == config or vars(found) == {**vars(config), **_places(found)}


def _places(config: RunConfiguration) -> dict[str, Any]:
    return {"environment": config.environment}


def test_few_keys_suffice_and_inline_packages_count(tmp_path: Path) -> None:
    path = tmp_path / "x.runconfig"
    path.write_text(
        "script: a.py\nenvironment:\n  python:\n    conda_dependencies:\n"
        "      dependencies: [python=3.9, {pip: [torch]}]\n"
    )

    config = RunConfiguration.load(str(path))
    assert config.script == "a.py"
    assert config.environment.python.conda_dependencies is not None
    assert list(config.environment.python.conda_dependencies.pip_packages) == ["torch"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n- b", "it holds no mapping"),
        ("script: [a]", "script takes a text, not ['a']"),
        ("nodeCount: many", "nodeCount takes a whole number, not 'many'"),
        ("nodeCount: true", "nodeCount takes a whole number, not True"),
        ("maxRunDurationSeconds: soon", "maxRunDurationSeconds takes a number, not 'soon'"),
        ("history: 3", "history takes a mapping, not 3"),
        ("history: {outputCollection: maybe}", "outputCollection takes true or false"),
        ("environment: {docker: {enabled: 3}}", "environment: docker: enabled takes true or false"),
        ("environment: {python: [a]}", "environment: python takes a mapping, not ['a']"),
        ("environmentVariables: [a]", "environmentVariables takes a mapping, not ['a']"),
        ("docker: {arguments: x}", "docker: arguments takes a list, not 'x'"),
        ("scirpt: train.py", "unknown field, 'scirpt'; there are: "),
        ("mpi: {processCountPerNod: 2}", "unknown field, 'processCountPerNod'"),
        ("_target: x", "x"),
        ("__class__: x", "unknown field"),
        ("environment: gone.yml", "gone.yml cannot be read"),
        ("environment: {python: {condaDependencies: [a]}}", "condaDependencies is not a list"),
        (
            "environment: {python: {condaDependencies: {dependencies: [[a]]}}}",
            "takes texts and pip",
        ),
        ("script: !!python/name:os.system", "line 1: '!!python/name:os.system' is a tag"),
        ("a: &a [x]\nb: *a", "is an anchor"),
        ("[" * 3000, "nested more than 60 deep"),
        ("script: 'x", "has no end"),
        ("a: \0", "control character"),
    ],
)
def test_a_wrong_file_is_refused_naming_file_and_field(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "wrong.runconfig"
    path.write_text(text)
    if text == "_target: x":  # the field of that name
        assert RunConfiguration.load(str(path)).target == "x"
        return

    with pytest.raises(UserErrorException) as caught:
        RunConfiguration.load(str(path))

    assert told in caught.value.message
    assert "wrong.runconfig" in caught.value.message or "gone.yml" in caught.value.message


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.runconfig"
    path.write_bytes(b"\xff\xfe\x00script")
    with pytest.raises(
        UserErrorException, match=r"binary\.runconfig cannot be read: it is not UTF-8"
    ):
        RunConfiguration.load(str(path))
    with pytest.raises(UserErrorException, match="is not UTF-8"):
        CondaDependencies(str(path))


def test_packages_are_added_replaced_and_taken_out() -> None:
    packages = CondaDependencies.create(
        pip_packages=["numpy==1.20", "Scikit_Learn"],
        conda_packages=["scipy"],
        python_version="3.8",
        pip_indexurl="https://x/simple",
    )
    packages.add_pip_package("numpy>=2")
    packages.remove_pip_package("scikit-learn")
    packages.add_conda_package("scipy=1.9")
    packages.add_channel("conda-forge")
    packages.add_channel("mine")
    packages.set_python_version("3.9")

    assert packages.as_dict() == {
        "name": "project_environment",
        "dependencies": [
            "python=3.9",
            "scipy=1.9",
            {"pip": ["--index-url https://x/simple", "numpy>=2"]},
        ],
        "channels": ["anaconda", "conda-forge", "mine"],
    }
    assert list(packages.pip_options) == ["--index-url https://x/simple"]
    assert packages.get_python_version() == "3.9"
    assert not packages.is_default
    assert CondaDependencies().is_default
    assert list(CondaDependencies.create().pip_packages) == ["azureml-defaults"]


def test_an_environment_goes_through_a_folder(tmp_path: Path) -> None:
    conda = tmp_path / "env.yml"
    conda.write_text(CONDA)
    made = Environment.from_conda_specification("mine", str(conda))
    made.docker.base_dockerfile = "FROM x\nRUN y"
    made.environment_variables["K"] = "v"
    made.save_to_directory(str(tmp_path / "out"))
    with pytest.raises(UserErrorException, match="overwrite"):
        made.save_to_directory(str(tmp_path / "out"))

    found = Environment.load_from_directory(str(tmp_path / "out"))
    assert found == made
    with pytest.raises(UserErrorException, match="There is no environment in"):
        Environment.load_from_directory(str(tmp_path))


def test_requirements_and_dockerfiles_make_environments(tmp_path: Path) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# x\nnumpy>=1  # y\n\n--pre\ntorch \\\n  ==2.0\n")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM here\n")

    pip = Environment.from_pip_requirements("p", str(requirements), pip_version="23.1")
    docker = Environment.from_dockerfile("d", str(dockerfile), pip_requirements=str(requirements))
    assert pip.python.conda_dependencies is not None
    assert list(pip.python.conda_dependencies.pip_packages) == ["numpy>=1", "torch ==2.0"]
    assert "pip=23.1" in list(pip.python.conda_dependencies.conda_packages)
    assert docker.docker.base_dockerfile == "FROM here\n"
    assert Environment.from_dockerfile("t", "FROM there").docker.base_dockerfile == "FROM there"
    with pytest.raises(UserErrorException, match="neither a file nor the text"):
        Environment.from_dockerfile("t", "nowhere/Dockerfile")
    with pytest.raises(UserErrorException, match="not both"):
        Environment.from_docker_image("b", "img", None, str(dockerfile), str(requirements))
    requirements.write_text("-r other.txt\n")
    with pytest.raises(UserErrorException, match="leads to a file"):
        Environment.from_pip_requirements("p", str(requirements))
