"""Where packages come from: pip's own configuration, told to uv, which does not read it."""

from __future__ import annotations

import configparser
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Mapping

# pip's option → uv's variable.
_TOLD = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
}
_OLD_NAMES = {"UV_DEFAULT_INDEX": "UV_INDEX_URL", "UV_INDEX": "UV_EXTRA_INDEX_URL"}


def for_uv(environ: Mapping[str, str]) -> Dict[str, str]:
    """The variables by which uv looks where pip would, but for what is set for uv already."""
    told = {}
    for option, name in _TOLD.items():
        if name in environ or _OLD_NAMES.get(name) in environ:
            continue
        places = [place for place in pip_option(option, environ) if _is_there(place)]
        if places:
            told[name] = (",".join if name == "UV_FIND_LINKS" else " ".join)(places)
    if "UV_INDEX" in told and "UV_INDEX_STRATEGY" not in environ:
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip's own: the best of all of them
    return told


def pip_option(option: str, environ: Mapping[str, str]) -> List[str]:
    """The values of one of pip's options: of its variable, else of the strongest file."""
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
    """pip's configuration files that are there, the weakest first."""
    home = environ.get("HOME") or os.path.expanduser("~")
    shared = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    places = [os.path.join(folder, "pip", "pip.conf") for folder in shared.split(os.pathsep)]
    own = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    places += ["/etc/pip.conf", os.path.join(home, ".pip", "pip.conf")]
    places.append(os.path.join(own, "pip", "pip.conf"))
    if environ.get("PIP_CONFIG_FILE"):
        places.append(environ["PIP_CONFIG_FILE"])
    return (place for place in places if os.path.isfile(place))


def _is_there(place: str) -> bool:
    """Whether a place can be looked at: pip passes over folders that are not there; uv does not."""
    path = place[len("file://") :] if place.startswith("file://") else place
    return not path.startswith("/") or os.path.exists(path)
