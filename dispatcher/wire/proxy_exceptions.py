"""Keeps libraries that obey `http_proxy` from sending calls of the service to a proxy.

The product's own connections use no proxy. MLflow's client, for one, takes the proxies of the
environment for each address that `no_proxy` does not name.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Mapping, MutableMapping

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def except_service(environ: MutableMapping[str, str], url: str) -> None:
    """Name the service's host and this machine in `no_proxy`, if the environment has a proxy.

    Args:
        environ: The variables; they are changed in place.
        url: The service's URL.
    """
    if not _has_proxy(environ):
        return
    from urllib.parse import urlsplit

    given = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    names = [name.strip() for name in given.split(",") if name.strip()]
    host = urlsplit(url).hostname
    names += [name for name in (*_LOOPBACK, host) if name and name not in names]
    environ["no_proxy"] = environ["NO_PROXY"] = ",".join(dict.fromkeys(names))


def _has_proxy(environ: Mapping[str, str]) -> bool:
    return any(environ.get(name) or environ.get(name.upper()) for name in _PROXIES)
