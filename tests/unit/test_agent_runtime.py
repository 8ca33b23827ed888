"""The in-run code as a folder and as a zip."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from dispatcher.agent.origin import PRIVATE_PACKAGE
from dispatcher.agent.runtime import build_zip, materialise


def test_the_folder_is_made_once_and_can_be_imported_from(tmp_path: Path) -> None:
    folder = materialise(str(tmp_path), sys.executable)
    before = os.stat(folder).st_ino
    assert materialise(str(tmp_path), sys.executable) == folder
    assert os.stat(folder).st_ino == before
    assert os.listdir(tmp_path) == [os.path.basename(folder)]
    program = (
        f"import {PRIVATE_PACKAGE}.agent.starting.fork_server as f, {PRIVATE_PACKAGE} as d; "
        "print(d.__file__, f.__cached__)"
    )
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": folder},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout.split()
    assert said[0] == f"{folder}/{PRIVATE_PACKAGE}/__init__.py"
    assert os.path.exists(said[1])
    assert not (Path(folder) / PRIVATE_PACKAGE / "core").exists()


def test_from_a_zip_it_makes_the_same(tmp_path: Path) -> None:
    packed = build_zip()
    assert packed == build_zip()
    names = zipfile.ZipFile(io.BytesIO(packed)).namelist()
    assert f"{PRIVATE_PACKAGE}/agent/__main__.py" in names
    assert not any("azureml_shim" in name or name.startswith("targets") for name in names)
    (tmp_path / "code.zip").write_bytes(packed)
    program = (
        f"import sys; from {PRIVATE_PACKAGE}.agent.runtime import materialise, build_zip\n"
        "print(materialise(sys.argv[1], sys.executable)); sys.stdout.flush()\n"
        "sys.stdout.buffer.write(build_zip())"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={"PYTHONPATH": str(tmp_path / "code.zip")},
        capture_output=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    folder, _, again = said.partition(b"\n")
    assert again == packed
    own = materialise(str(tmp_path / "own"), sys.executable)
    assert os.path.basename(folder.decode()) == os.path.basename(own)


def test_it_imports_the_standard_library_alone() -> None:
    program = (
        "import sys\nimport dispatcher.agent.__main__, dispatcher.agent.server\n"
        "import dispatcher.agent.starting.single_job\n"
        "print(sorted({n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)))"
    )
    said = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == "['__main__', 'dispatcher']\n"


def test_it_reads_yaml_where_no_library_is_installed_and_leaves_an_images_own_alone(
    tmp_path: Path,
) -> None:
    folder = materialise(str(tmp_path / "runtime"), sys.executable)
    image = tmp_path / "image"
    (image / "yaml").mkdir(parents=True)
    (image / "yaml" / "__init__.py").write_text("__version__ = 'of the image'\n")
    program = (
        "import sys\n"
        f"from {PRIVATE_PACKAGE}.client.v1.configs.yaml_text import parse, written\n"
        "assert parse('a: [1, yes]') == {'a': [1, 'yes']}\n"
        "assert parse(written({'b': '012'})) == {'b': '012'}\n"
        "assert 'yaml' not in sys.modules\n"
        "import yaml; print(yaml.__version__)"
    )
    said = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": f"{folder}:{image}"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert (said.stdout, said.stderr) == ("of the image\n", "")


def test_no_compiled_part_of_a_library_is_packed() -> None:
    names = zipfile.ZipFile(io.BytesIO(build_zip())).namelist()

    assert f"{PRIVATE_PACKAGE}/_libraries/yaml/composer.py" in names
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
