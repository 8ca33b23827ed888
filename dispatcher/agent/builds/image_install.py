"""Installs an environment's packages into the Python of the image that this runs in, as root.

Its inputs lie in one folder: `recipe.json`; `variables.json`, with which pip reaches its index;
`ca.pem`, the certificates of the host; and `pip.whl`, for images without pip.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig

from dispatcher.agent import runtime_path
from dispatcher.agent.builds.builder import fits
from dispatcher.agent.builds.conda_names import mapped
from dispatcher.agent.origin import PRIVATE_PACKAGE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Mapping

FAILED = 3  # the exit code of a build that has printed why it failed
CODE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    f"from {PRIVATE_PACKAGE}.agent.builds.image_install import main; main(sys.argv[2])"
)


def main(folder: str) -> None:
    """Install the packages; exits with a code if that fails."""
    os.umask(0o022)
    recipe = _read(f"{folder}/recipe.json")
    version = ".".join(map(str, sys.version_info[:3]))
    constraint = recipe.get("python")
    if constraint is not None and not fits(version, constraint):
        _fail(
            f"The environment needs Python {constraint}, its image has {version}: name an image "
            "with that version (docker.base_image), or omit the version of Python."
        )
    environ = {**os.environ, **_read(f"{folder}/variables.json")}
    if os.path.exists(f"{folder}/ca.pem"):
        environ.update(PIP_CERT=f"{folder}/ca.pem", SSL_CERT_FILE=f"{folder}/ca.pem")
    environ["HOME"] = folder
    runtime_path.install(sysconfig.get_path("purelib"))
    lines = [*(recipe.get("pip") or ()), *_from_conda(recipe)]
    if not any(line[:1] != "-" for line in lines):
        return
    with open(f"{folder}/requirements.txt", "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
    command = [*_pip(folder, environ), "install", "--requirement", f"{folder}/requirements.txt"]
    print("$ pip install --requirement requirements.txt", flush=True)
    code = subprocess.call(command, env=environ)
    if code != 0:
        _fail(f"pip ended with code {code}.")


def _from_conda(recipe: Mapping[str, Any]) -> List[str]:
    packages = recipe.get("conda") or ()
    if not packages:
        return []
    try:
        mapping = mapped(packages)
    except ValueError as error:
        _fail(f"The environment asks for {error}.")
    print("In images pip installs the packages of conda.", flush=True)
    for note in mapping.notes:
        print(f"  {note}", flush=True)
    return mapping.pip


def _pip(folder: str, environ: Dict[str, str]) -> List[str]:
    """The command of the image's own pip, or of the wheel in the folder."""
    pip = [sys.executable, "-m", "pip"]
    probe = subprocess.run([*pip, "--version"], capture_output=True, check=False, env=environ)
    if probe.returncode == 0:
        return pip
    brought = f"{folder}/pip.whl"
    if not os.path.exists(brought):
        _fail("The image has no pip: name one that has it (docker.base_image).")
    return [sys.executable, f"{brought}/pip"]


def _read(path: str) -> Dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        fields: Dict[str, Any] = json.load(file)
        return fields


def _fail(text: str) -> None:
    print(text, flush=True)
    raise SystemExit(FAILED)
