"""`dispatcher shim …`: `azureml` and `az` at the desk, for scripts that were written for Azure ML.

Nothing is installed: `env` prints what a shell is to evaluate, `run` sets it for one script. Where
azureml-core is really installed it is left alone, unless `--force` says otherwise.
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

app = typer.Typer(help="`azureml` and `az`, answered by dispatcher.", no_args_is_help=True)

Python = Annotated[
    str | None, typer.Option(help="The interpreter of the scripts; default: see below.")
]
Force = Annotated[
    bool, typer.Option("--force", help="Win even over an azureml-core that is installed.")
]
PACKAGES = str(Path(azureml_shim.__file__).resolve().parent)
_CODE = Path(dispatcher.__file__).resolve().parent
_LOOK = """
import importlib.metadata as m, importlib.util as u
try: print("azureml=" + m.version("azureml-core"))
except m.PackageNotFoundError: print("azureml=")
print("dispatcher=" + ("yes" if u.find_spec("dispatcher") else ""))
"""
_AZ = """\
#!/bin/sh
# Made by `dispatcher shim`: `az ml …`, answered by dispatcher.
export PYTHONPATH={code}"${{PYTHONPATH:+:$PYTHONPATH}}"
DISPATCHER_AZ="$0" exec {python} -P -m dispatcher.cli.az "$@"
"""


@command(app)
def env(scope: CommandContext, python: Python = None, force: Force = False) -> None:
    """Print what a shell is to evaluate: eval "$(dispatcher shim env)".

    PYTHONPATH then has `azureml`, and the PATH an `az` that answers `az ml …`. The scripts'
    interpreter is `python` on the PATH, else `python3`, else the one that dispatcher runs with.
    """
    interpreter = python or _usual_python()
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
    arguments: Annotated[list[str] | None, typer.Argument(help="What it is given.")] = None,
    python: Python = None,
    force: Force = False,
) -> None:
    """Run SCRIPT with `azureml` and `az` in place; ends as the script does.

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


def _usual_python() -> str:
    """What scripts are usually started with."""
    return shutil.which("python") or shutil.which("python3") or sys.executable


def _import_path(scope: CommandContext, interpreter: str, force: bool) -> list[str]:
    """What the interpreter needs on its path to import `azureml` from here."""
    installed, has_dispatcher = _look(interpreter)
    if installed and not force:
        scope.note(
            f"azureml-core {installed} is installed for {interpreter} and stays in place; "
            "--force puts dispatcher's before it"
        )
        return []
    return [PACKAGES] if has_dispatcher else [PACKAGES, str(_code_folder())]


def _look(interpreter: str) -> tuple[str, bool]:
    """The version of the azureml-core that is installed there, and whether dispatcher is."""
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    others = os.pathsep.join(
        path for path in known if path and path not in (PACKAGES, str(_code_folder()))
    )
    try:
        output = subprocess.run(
            [interpreter, "-c", _LOOK],
            env={**os.environ, "PYTHONPATH": others},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise UserErrorException(f"{interpreter} is no Python that can be run: {error}") from error
    values = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    return values.get("azureml", ""), bool(values.get("dispatcher"))


def _code_folder() -> Path:
    """A folder with dispatcher's own packages and nothing else of where it is installed."""
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
    """The folder whose `az` is ours."""
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
    """Below DISPATCHER_HOME, one for each place where dispatcher is installed."""
    name = hashlib.sha256(f"{sys.executable} {_CODE}".encode()).hexdigest()[:12]
    home = Path(workspace_registry.workspaces_folder()).parent.resolve()
    return home / "shim" / name


def _before(first: str, rest: str | None) -> str:
    return first + (os.pathsep + rest if rest else "")
