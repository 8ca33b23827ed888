"""The registry of workspaces on this machine: one folder each, below DISPATCHER_HOME.

The folder of a workspace that lives elsewhere holds a pointer to it.
"""

from __future__ import annotations

import os
import shutil

from dispatcher.client.errors import WorkspaceException
from dispatcher.client.home import dispatcher_home
from dispatcher.client.v1.workspaces import config as workspace_config
from dispatcher.client.v1.workspaces.config import WorkspaceConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

_LOCATION = "location"


def register(name: str, folder: str) -> None:
    """Remember that a workspace lives in a folder."""
    home = os.path.join(workspaces_folder(), name)
    if os.path.abspath(folder) == home:
        return
    os.makedirs(home, exist_ok=True)
    with open(os.path.join(home, _LOCATION), "wb") as file:
        file.write(os.fsencode(os.path.abspath(folder)))


def keep_without(config: WorkspaceConfig, folder: str) -> None:
    """Have a workspace found by its name even when its own folder's config.json goes."""
    home = os.path.join(workspaces_folder(), config.name)
    pointer = os.path.join(home, _LOCATION)
    try:
        with open(pointer, "rb") as file:
            lives_there = os.fsdecode(file.read()) == os.path.abspath(folder)
    except OSError:
        return
    if lives_there:
        workspace_config.write(config, home)
        os.unlink(pointer)


def forget(name: str) -> None:
    """Have a workspace no longer found by its name. Data that lie in its home stay."""
    home = os.path.join(workspaces_folder(), name)
    shutil.rmtree(os.path.join(home, ".azureml"), ignore_errors=True)
    for remove, path in ((os.unlink, os.path.join(home, _LOCATION)), (os.rmdir, home)):
        try:
            remove(path)
        except OSError:
            continue  # there is none, or data are in it


def named(
    name: str, subscription_id: Optional[str], resource_group: Optional[str]
) -> WorkspaceConfig:
    """The workspace of that name. Raises WorkspaceException when there is none."""
    config = read(os.path.join(workspaces_folder(), name))
    if config is not None and fits(config, subscription_id, resource_group):
        return config
    raise WorkspaceException(
        f"No workspace {name!r} on this machine. Make it with Workspace.create({name!r}), or use "
        "Workspace.from_config() in its folder."
    )


def read(home: str) -> Optional[WorkspaceConfig]:
    """The workspace that is remembered in a folder, or None."""
    folder = home
    try:
        with open(os.path.join(home, _LOCATION), "rb") as file:
            folder = os.fsdecode(file.read())
    except OSError:
        pass  # most live in their home itself
    path = os.path.join(folder, ".azureml", "config.json")
    return workspace_config.read(path) if os.path.isfile(path) else None


def fits(
    config: WorkspaceConfig, subscription_id: Optional[str], resource_group: Optional[str]
) -> bool:
    """Whether a workspace is the one meant; what is None is not asked for."""
    return (subscription_id or config.subscription_id) == config.subscription_id and (
        resource_group or config.resource_group
    ) == config.resource_group


def workspaces_folder() -> str:
    """Where workspaces are remembered, and live unless they are made elsewhere."""
    return os.path.join(dispatcher_home(), "workspaces")
