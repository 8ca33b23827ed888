"""What a container that builds an image is given: the recipe, pip, and the way to pip's index."""

import json
import os
import shutil
import ssl
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispatcher.agent.builds.package_indexes import pip_option

_NAMES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


def write_inputs(folder: Path, recipe: Mapping[str, Any]) -> None:
    """Write the inputs of an installation (`dispatcher.agent.builds.image_install`)."""
    (folder / "recipe.json").write_text(json.dumps(dict(recipe)))
    (folder / "variables.json").write_text(json.dumps(_variables(os.environ)))
    authorities = _authorities(os.environ)
    if authorities is not None:
        shutil.copyfile(authorities, folder / "ca.pem")
    bundled = Path(sysconfig.get_path("stdlib")) / "ensurepip" / "_bundled"
    for wheel in (*bundled.glob("pip-*.whl"), *Path("/usr/share/python-wheels").glob("pip-*.whl")):
        shutil.copyfile(wheel, folder / "pip.whl")
        break


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables with which pip reaches its index, without those that name local files."""
    pip_settings = {k: v for k, v in environ.items() if k.startswith("PIP_") or k.lower() in _NAMES}
    for option in ("index-url", "extra-index-url", "trusted-host"):
        value = " ".join(pip_option(option, environ))
        if value:
            pip_settings["PIP_" + option.upper().replace("-", "_")] = value
    variables = {
        name: " ".join(filter(_is_elsewhere, text.split())) for name, text in pip_settings.items()
    }
    return {
        **{name: text for name, text in variables.items() if text},
        "PIP_BREAK_SYSTEM_PACKAGES": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INPUT": "1",
        "PIP_PROGRESS_BAR": "off",
        "PIP_ROOT_USER_ACTION": "ignore",
        "PYTHONUNBUFFERED": "1",
    }


def _is_elsewhere(value: str) -> bool:
    return not value.startswith(("/", "file:"))


def _authorities(environ: Mapping[str, str]) -> str | None:
    named = [environ.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
    for path in (*named, ssl.get_default_verify_paths().cafile):
        if path and os.path.isfile(path):
            return path
    return None


def proxies() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.lower() in _NAMES}
