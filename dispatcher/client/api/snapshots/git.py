"""The git state of the current folder as v1's properties; none where there is no git."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional, Tuple

_SECONDS = 5.0


def properties(folder: Optional[str] = None) -> Dict[str, str]:
    """Repository, branch, commit and whether there are changes, with two calls of git.

    As in v1 of the current folder at submission, not of the source directory.
    """
    try:
        here = os.path.abspath(folder or ".")
    except FileNotFoundError:  # the current folder was deleted
        return {}
    if not _is_in_repository(here):
        return {}
    headers, is_dirty = _status(here)
    commit = headers.get("branch.oid", "(initial)")
    if commit == "(initial)":
        return {}
    branch = headers.get("branch.head")
    branch = None if branch == "(detached)" else branch
    url = _without_password(_git(here, "config", "--get", "remote.origin.url"))
    facts = {
        "azureml.git.repository_uri": url,
        "mlflow.source.git.repoURL": url,
        "azureml.git.branch": branch,
        "mlflow.source.git.branch": branch,
        "azureml.git.commit": commit,
        "mlflow.source.git.commit": commit,
        "azureml.git.dirty": None if is_dirty is None else str(is_dirty),
    }
    return {name: value for name, value in facts.items() if value}


def _status(folder: str) -> Tuple[Dict[str, str], Optional[bool]]:
    """Commit and branch as git's headers, and whether there are changes (None: unknown)."""
    status = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if status is None:
        return {"branch.oid": _git(folder, "rev-parse", "HEAD") or "(initial)"}, None
    headers: Dict[str, str] = {}
    is_dirty = False
    for line in status.splitlines():
        if line.startswith("# "):
            name, _, value = line[2:].partition(" ")
            headers[name] = value
        else:
            is_dirty = True
    return headers, is_dirty


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
