"""Builds an environment on this machine: with conda if it is there, else with uv, else with pip."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

from dispatcher.agent.builds.conda_names import mapped
from dispatcher.agent.builds.package_indexes import for_uv

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Mapping, Optional

    Recipe = Mapping[str, Any]

_UV_OPTIONS = ("--index-url", "--extra-index-url", "--find-links", "--no-index", "--pre")
_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])))"
_SETTINGS = {
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_PROGRESS_BAR": "off",
    "PYTHONUNBUFFERED": "1",
    "UV_NO_PROGRESS": "1",
}


class BuildFailed(Exception):
    """The environment cannot be built from its recipe; the text is the reason."""


class EnvironmentBuilder:
    """Builds one environment.

    Args:
        recipe: What the environment contains.
        interpreter: The Python to use if the recipe names none.
        folder: The environment's folder; the builder creates it.
        environ: The agent's variables.
        run: Runs a command with its output going to the log; returns its exit code.
        say: Writes a line to the log.
    """

    def __init__(
        self,
        recipe: Recipe,
        interpreter: str,
        folder: str,
        environ: Mapping[str, str],
        run: Callable[[List[str], Dict[str, str]], int],
        say: Callable[[str], None],
    ) -> None:
        self._recipe, self._interpreter, self._folder = recipe, interpreter, folder
        self._environ = build_environment(environ)
        self._run, self._say = run, say

    def build(self) -> None:
        """Build the environment.

        Raises:
            BuildFailed: It cannot be built.
        """
        if self._recipe.get("dockerfile"):
            raise BuildFailed(
                "is a Dockerfile, but this target runs no containers: submit to a Docker target"
            )
        os.makedirs(self._folder)
        conda = find_conda(self._environ)
        if self._recipe.get("conda") and conda is not None:
            self._by_conda(conda)
        else:
            self._by_pip()

    def _by_conda(self, conda: str) -> None:
        """Build with conda. Its file is written as JSON, which is valid YAML."""
        recipe = self._recipe
        version = recipe.get("python")
        packages: List[Any] = (
            [f"python{version if version[0] in '<>=~' else '=' + version}"] if version else []
        )
        packages += [*recipe["conda"], "pip"]
        if recipe.get("pip"):
            packages.append({"pip": list(recipe["pip"])})
        path = f"{self._folder}/environment.yml"
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"channels": recipe.get("channels") or [], "dependencies": packages}, file)
        prefix = f"{self._folder}/venv"
        self._do(
            [conda, "env", "create", "--yes", "--prefix", prefix, "--file", path], self._environ
        )

    def _by_pip(self) -> None:
        requirements = [*(self._recipe.get("pip") or ()), *self._from_conda()]
        path = f"{self._folder}/requirements.txt"
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in requirements)
        uv = find_uv(self._environ)
        options = {line.split()[0] for line in requirements if line.startswith("-")}
        if uv is not None and options <= set(_UV_OPTIONS):
            self._by_uv(uv, path, has_packages=len(options) < len(requirements))
        else:
            self._by_venv(path, has_packages=len(options) < len(requirements))

    def _from_conda(self) -> List[str]:
        packages = self._recipe.get("conda") or ()
        if not packages:
            return []
        try:
            mapping = mapped(packages)
        except ValueError as error:
            raise BuildFailed(f"asks for {error}") from error
        self._say("conda is not installed on this node: pip installs its packages.")
        for note in mapping.notes:
            self._say(f"  {note}")
        return mapping.pip

    def _by_uv(self, uv: str, requirements: str, has_packages: bool) -> None:
        venv, environ = f"{self._folder}/venv", {**for_uv(self._environ), **self._environ}
        python = self._python() or str(self._recipe["python"])
        self._do([uv, "venv", "--no-project", "--python", python, venv], environ, self._no_python())
        if not has_packages:
            return
        command = [uv, "pip", "install", "--compile-bytecode", "--python", f"{venv}/bin/python"]
        with open(requirements, encoding="utf-8") as file:
            lines = file.read().splitlines()
        if "--pre" in lines:
            command += ["--prerelease", "allow"]
            with open(requirements, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines if line != "--pre")
        self._do([*command, "--requirement", requirements], environ)

    def _by_venv(self, requirements: str, has_packages: bool) -> None:
        venv, python = f"{self._folder}/venv", self._python()
        if python is None:
            raise BuildFailed(self._no_python())
        self._do([python, "-m", "venv", venv], self._environ)
        if has_packages:
            command = [f"{venv}/bin/python", "-m", "pip", "install", "--requirement", requirements]
            self._do(command, self._environ)

    def _python(self) -> Optional[str]:
        """An installed interpreter of the requested version; None if only uv may find one."""
        constraint = self._recipe.get("python")
        names = re.findall(r"^=*(\d+\.\d+)", constraint or "")
        others = [shutil.which(f"python{name}", path=self._environ.get("PATH")) for name in names]
        for python in (self._interpreter, *others):
            if python and (constraint is None or fits(_version_of(python), constraint)):
                return python
        return None

    def _no_python(self) -> str:
        constraint = self._recipe.get("python")
        node_version = _version_of(self._interpreter) or "none"
        if constraint is None:
            return "cannot be created"
        return (
            f"needs Python {constraint}, which is not on this node (it has {node_version}): "
            "install it there, or omit the version of Python"
        )

    def _do(self, command: List[str], environ: Dict[str, str], failure: str = "") -> None:
        shown = [os.path.basename(command[0]), *command[1:]]
        self._say(f"$ {' '.join(shown)}".replace(f"{self._folder}/", ""))
        code = self._run(command, environ)
        if code != 0:
            name = " ".join(os.path.basename(part) for part in command[:3] if part[:1] != "-")
            raise BuildFailed(failure or f"cannot be built: {name} ended with code {code}")


def build_environment(environ: Mapping[str, str]) -> Dict[str, str]:
    """The variables of a build: all but those that concern one interpreter."""
    private = ("PYTHON", "DISPATCHER_", "AZUREML_", "CONDA_PREFIX", "VIRTUAL_ENV")
    variables = {k: v for k, v in environ.items() if not k.startswith(private)}
    return {**variables, **_SETTINGS}


def find_uv(environ: Mapping[str, str]) -> Optional[str]:
    """The path of uv: beside the agent's interpreter, or on the PATH."""
    beside = os.path.join(os.path.dirname(sys.executable), "uv")
    for program in (beside, shutil.which("uv", path=environ.get("PATH"))):
        if program and os.path.isfile(program) and _answer([program, "--version"], environ):
            return program
    return None


def find_conda(environ: Mapping[str, str]) -> Optional[str]:
    """The path of conda, or of a program with its commands."""
    path = environ.get("PATH")
    return (
        environ.get("CONDA_EXE")
        or shutil.which("conda", path=path)
        or shutil.which("mamba", path=path)
    )


def fits(version: Optional[str], constraint: str) -> bool:
    """Whether a version of Python satisfies a request: `3.11`, `3.11.7`, `>=3.8,<3.12`."""
    if version is None:
        return False
    own = _numbers(version)
    for bound in constraint.split(","):
        match = re.match(r"^(>=|<=|!=|~=|==|=|>|<|)(\d[\d.]*)", bound.strip())
        if match is None:
            return False
        sign, numbers = match[1], _numbers(match[2])
        start = own[: len(numbers)]
        holds = {
            ">=": start >= numbers,
            "<=": start <= numbers,
            ">": start > numbers,
            "<": start < numbers,
            "!=": start != numbers,
            "~=": start >= numbers and own[: len(numbers) - 1] == numbers[:-1],
        }
        if not holds.get(sign, start == numbers):
            return False
    return True


def _numbers(version: str) -> List[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def _version_of(interpreter: str) -> Optional[str]:
    return _answer([interpreter, "-I", "-c", _VERSION], os.environ)


def _answer(command: List[str], environ: Mapping[str, str]) -> Optional[str]:
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, check=False, env=dict(environ), timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return process.stdout.strip() or None if process.returncode == 0 else None
