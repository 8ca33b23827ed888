"""What git says of the current folder, as v1's properties. No git, no properties."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional

_SECONDS = 5.0


def properties(folder: Optional[str] = None) -> Dict[str, str]:
    """Repository, branch, commit and whether there are changes.

    As in v1 of the current folder at submission, not of the source directory.
    """
    here = os.path.abspath(folder or ".")
    if not _is_in_repository(here):
        return {}
    commit = _git(here, "rev-parse", "HEAD")
    if commit is None:
        return {}
    url = _without_password(_git(here, "config", "--get", "remote.origin.url"))
    branch = _git(here, "symbolic-ref", "--short", "-q", "HEAD")
    dirty = _git(here, "status", "--porcelain", "--untracked-files=no")
    facts = {
        "azureml.git.repository_uri": url,
        "mlflow.source.git.repoURL": url,
        "azureml.git.branch": branch,
        "mlflow.source.git.branch": branch,
        "azureml.git.commit": commit,
        "mlflow.source.git.commit": commit,
        "azureml.git.dirty": None if dirty is None else str(bool(dirty)),
    }
    return {name: value for name, value in facts.items() if value}


def _is_in_repository(folder: str) -> bool:
    """Looked for without starting git: inside a run there is none, and a process costs ms."""
    while True:
        if os.path.exists(os.path.join(folder, ".git")):
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent


def _git(folder: str, *arguments: str) -> Optional[str]:
    import subprocess

    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def _without_password(url: Optional[str]) -> Optional[str]:
    if not url or "://" not in url or "@" not in url:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
