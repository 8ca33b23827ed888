"""The package indexes: pip's configuration as variables of uv, which does not read it."""

from __future__ import annotations

import configparser
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Mapping

# pip's option → uv's variable.
_VARIABLE_OF = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
_OLD_NAMES = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}


def for_uv(environ: Mapping[str, str]) -> Dict[str, str]:
    """The variables that make uv use pip's indexes; variables of uv that are set have priority."""
    variables = {}
    for option, name in _VARIABLE_OF.items():
        if name in environ or _OLD_NAMES.get(name) in environ:
            continue
        locations = [location for location in pip_option(option, environ) if _exists(location)]
        if locations:
            variables[name] = (",".join if name == "UV_FIND_LINKS" else " ".join)(locations)
    if "UV_INDEX" in variables and "UV_INDEX_STRATEGY" not in environ:
        variables["UV_INDEX_STRATEGY"] = (
            "unsafe-best-match"  # as pip does: the best version of all indexes
        )
    return variables


def pip_option(option: str, environ: Mapping[str, str]) -> List[str]:
    """The values of an option of pip: of its variable, else of the file with the highest rank."""
    value = environ.get("PIP_" + option.upper().replace("-", "_"))
    if value is not None:
        return value.split()
    for path in reversed(list(config_files(environ))):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for section in ("install", "global"):
            if parser.has_option(section, option):
                return parser.get(section, option).split()
    return []


def config_files(environ: Mapping[str, str]) -> Iterator[str]:
    """The existing configuration files of pip, the lowest rank first."""
    home = environ.get("HOME") or os.path.expanduser("~")
    shared = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    paths = [os.path.join(folder, "pip", "pip.conf") for folder in shared.split(os.pathsep)]
    user_folder = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    paths += ["/etc/pip.conf", os.path.join(home, ".pip", "pip.conf")]
    paths.append(os.path.join(user_folder, "pip", "pip.conf"))
    if environ.get("PIP_CONFIG_FILE"):
        paths.append(environ["PIP_CONFIG_FILE"])
    return (path for path in paths if os.path.isfile(path))


def _exists(location: str) -> bool:
    """Whether a place exists, if it is a folder: pip skips missing folders, uv does not."""
    path = location[len("file://") :] if location.startswith("file://") else location
    return not path.startswith("/") or os.path.exists(path)
