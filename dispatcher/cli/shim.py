"""`dispatcher shim …`: `azureml` and `az` outside of runs, for scripts for Azure ML.

Nothing is installed: `env` prints variables for a shell, `run` sets them for one script. An
installed azureml-core keeps precedence unless `--force` is given.
"""

import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import dispatcher
from dispatcher import azureml_shim
from dispatcher.cli.command import command
from dispatcher.cli.context import CommandContext
from dispatcher.client.api.service import SERVICE_PYTHON
from dispatcher.client.errors import UserErrorException
from dispatcher.client.v1.workspaces import registry as workspace_registry

app = typer.Typer(help="dispatcher's `azureml` and `az`, outside of runs.", no_args_is_help=True)

Python = Annotated[
    str | None, typer.Option(help="The interpreter of the scripts; default: see below.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Take precedence over an installed azureml-core.")
]
PACKAGES = str(Path(azureml_shim.__file__).resolve().parent)
_CODE = Path(dispatcher.__file__).resolve().parent
_INSPECT_SCRIPT = """
import importlib.metadata as m, importlib.util as u
try: print("azureml=" + m.version("azureml-core"))
except m.PackageNotFoundError: print("azureml=")
print("dispatcher=" + ("yes" if u.find_spec("dispatcher") else ""))
"""
_AZ = """\
#!/bin/sh
# Written by `dispatcher shim`: `az ml …` of dispatcher.
export PYTHONPATH={code}"${{PYTHONPATH:+:$PYTHONPATH}}"
DISPATCHER_AZ="$0" exec {python} -P -m dispatcher.cli.az "$@"
"""


@command(app)
def env(scope: CommandContext, python: Python = None, force: Force = False) -> None:
    """Print variables for a shell: eval "$(dispatcher shim env)".

    PYTHONPATH then contains `azureml`, and PATH an `az` with `az ml …`. The scripts'
    interpreter is `python` on the PATH, else `python3`, else the one that dispatcher runs with.
    """
    interpreter = python or _default_python()
    folders = _import_path(scope, interpreter, force)
    if folders:
        joined = shlex.quote(os.pathsep.join(folders))
        typer.echo(f'export PYTHONPATH={joined}"${{PYTHONPATH:+:$PYTHONPATH}}"')
    typer.echo(f"export {SERVICE_PYTHON}={shlex.quote(sys.executable)}")
    typer.echo(f'export PATH={shlex.quote(str(_az_folder()))}:"$PATH"')


@command(app, takes_rest=True)
def run(
    scope: CommandContext,
    script: Annotated[str, typer.Argument(help="The script, or -m MODULE after --.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="The script's arguments.")] = None,
    python: Python = None,
    force: Force = False,
) -> None:
    """Run SCRIPT with `azureml` and `az` in place; the exit code is the script's.

    The interpreter is the one that dispatcher runs with.
    """
    interpreter = python or sys.executable
    if script != "-m" and not Path(script).is_file():
        raise UserErrorException(f"There is no script {script}.")
    folders = _import_path(scope, interpreter, force)
    environment = dict(os.environ)
    environment["PATH"] = _before(str(_az_folder()), environment.get("PATH"))
    environment[SERVICE_PYTHON] = sys.executable
    if folders:
        environment["PYTHONPATH"] = _before(os.pathsep.join(folders), os.environ.get("PYTHONPATH"))
    sys.stdout.flush()
    try:
        os.execvpe(interpreter, [interpreter, script, *(arguments or ())], environment)
    except OSError as error:
        raise UserErrorException(f"--python {interpreter} cannot be run: {error}") from error


def _default_python() -> str:
    """The interpreter that scripts are usually started with."""
    return shutil.which("python") or shutil.which("python3") or sys.executable


def _import_path(scope: CommandContext, interpreter: str, force: bool) -> list[str]:
    """The folders that the interpreter needs on PYTHONPATH to import the shim's `azureml`."""
    installed, has_dispatcher = _inspect(interpreter)
    if installed and not force:
        scope.note(
            f"azureml-core {installed} is installed for {interpreter} and stays in place; "
            "--force gives dispatcher's precedence"
        )
        return []
    return [PACKAGES] if has_dispatcher else [PACKAGES, str(_code_folder())]


def _inspect(interpreter: str) -> tuple[str, bool]:
    """The version of azureml-core that the interpreter has, and whether it has dispatcher."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = os.pathsep.join(
        path for path in entries if path and path not in (PACKAGES, str(_code_folder()))
    )
    try:
        output = subprocess.run(
            [interpreter, "-c", _INSPECT_SCRIPT],
            env={**os.environ, "PYTHONPATH": others},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise UserErrorException(
            f"{interpreter} is not a Python that can be run: {error}"
        ) from error
    values = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    return values.get("azureml", ""), bool(values.get("dispatcher"))


def _code_folder() -> Path:
    """A folder with links to dispatcher's packages, and to no others of its environment."""
    folder = _own_folder() / "lib"
    folder.mkdir(parents=True, exist_ok=True)
    for package in (_CODE, _CODE.parent / "targets"):
        link = folder / package.name
        if not link.is_symlink() or link.readlink() != package:
            part = folder / f"{package.name}.{os.getpid()}"
            part.symlink_to(package)
            part.replace(link)
    return folder


def _az_folder() -> Path:
    """The folder with dispatcher's `az`."""
    folder = _own_folder() / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "az"
    text = _AZ.format(python=shlex.quote(sys.executable), code=shlex.quote(str(_code_folder())))
    if not file.is_file() or file.read_text(encoding="utf-8") != text:
        part = folder / f"az.{os.getpid()}"
        part.write_text(text, encoding="utf-8")
        part.chmod(part.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
        part.replace(file)
    return folder


def _own_folder() -> Path:
    """The folder of this installation below DISPATCHER_HOME."""
    name = hashlib.sha256(f"{sys.executable} {_CODE}".encode()).hexdigest()[:12]
    home = Path(workspace_registry.workspaces_folder()).parent.resolve()
    return home / "shim" / name


def _before(first: str, rest: str | None) -> str:
    return first + (os.pathsep + rest if rest else "")
