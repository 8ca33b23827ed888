"""The registry of workspaces on this machine: one folder each, below DISPATCHER_HOME.

The folder of a workspace that lives elsewhere holds a pointer to it. A second workspace of the same
name has its v1 address in the name of its folder. Without a writable home, workspaces are found by
their folders alone.
"""

from __future__ import annotations

import glob
import hashlib
import logging
import os
import shutil

from dispatcher.client.absolute_path import absolute
from dispatcher.client.errors import UserErrorException, WorkspaceException
from dispatcher.client.home import dispatcher_home, find_home
from dispatcher.client.in_run import context
from dispatcher.client.v1.workspaces import config as workspace_config
from dispatcher.client.v1.workspaces.config import WorkspaceConfig
from dispatcher.wire.file_identity import file_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator, List, Optional, Tuple

LOCAL = "local"  # subscription and resource group of a workspace that was created without them
_LOCATION = "location"
_SEPARATOR = "@"
log = logging.getLogger("dispatcher")


def register(config: WorkspaceConfig, folder: str) -> None:
    """Remember that a workspace lives in a folder.

    If the home cannot be written, that is logged: the workspace is then found by its folder alone.
    """
    folder = absolute(folder)
    try:
        home = _free_home(config, folder)
        if folder == home:
            return
        os.makedirs(home, exist_ok=True)
        part = os.path.join(home, f"{_LOCATION}.{os.getpid()}")
        with open(part, "wb") as file:
            file.write(os.fsencode(folder))
        os.replace(part, os.path.join(home, _LOCATION))
    except (OSError, UserErrorException) as error:
        log.info("workspace %s is not registered by its name: %s", config.name, error)


def keep_without(config: WorkspaceConfig, folder: str) -> None:
    """Have a workspace found by its name even when its own folder's config.json goes."""
    for home in _homes(config.name):
        if _pointer(home) == absolute(folder):
            workspace_config.write(config, home)
            os.unlink(os.path.join(home, _LOCATION))


def forget(config: WorkspaceConfig) -> None:
    """Have a workspace no longer found by its name. Data that lie in its home stay."""
    for home in list(_homes(config.name)):
        known = read(home)
        if known is not None and not _is_same_place(known, config):
            continue
        shutil.rmtree(os.path.join(home, ".azureml"), ignore_errors=True)
        for remove, path in ((os.unlink, os.path.join(home, _LOCATION)), (os.rmdir, home)):
            try:
                remove(path)
            except OSError:
                continue  # there is none, or data are in it


def named(
    name: str, subscription_id: Optional[str], resource_group: Optional[str]
) -> WorkspaceConfig:
    """The workspace of that name.

    A workspace that was created without subscription and resource group fits any.

    Raises:
        WorkspaceException: There is none; the text says how to make one that is found, or which
            addresses the workspaces of that name have.
    """
    known = of_name(name)
    for config in sorted(known, key=lambda each: LOCAL in each.address[:2]):
        if fits(config, subscription_id, resource_group):
            return config
    if known:
        addresses = " or ".join(
            f"subscription {each.subscription_id!r}, resource group {each.resource_group!r}"
            for each in known
        )
        raise WorkspaceException(
            f"Workspace {name!r} has {addresses}, not {subscription_id!r}, {resource_group!r}. "
            "Give these, or leave both out: Workspace.get(name)."
        )
    raise WorkspaceException(
        f"No workspace {name!r} on this machine. Make it with Workspace.create({name!r}), or use "
        "Workspace.from_config() in its folder."
    )


def resolve(path: str) -> WorkspaceConfig:
    """The workspace that a config.json names.

    Azure hands out one config.json, and people put it into each folder that has notebooks. So a
    file beside which no data lie names the registered workspace with the same v1 address, or the
    one of a folder above. Only if there is none, the workspace lives beside the file.

    Raises:
        UserErrorException: The file is not JSON, or keys are missing.
    """
    config = workspace_config.read(path)
    project = workspace_config.project_folder(path)
    default = workspace_config.default_data_folder(project)
    if config.service_url or config.data_folder != default:
        return config
    known = of_address(config)
    if not os.path.isdir(default):
        elsewhere = known or _above(config, project)
        if elsewhere is not None:
            return elsewhere
    if known is not None and not _is_same_place(known, config):
        log.warning(
            "%s and %s name the same workspace, %s. Each has data and a service of its own.",
            default,
            known.data_folder,
            config.name,
        )
    if known is None and context.current() is None:  # a snapshot's copy is no workspace's home
        register(config, project)
    return config


def of_name(name: str) -> List[WorkspaceConfig]:
    """All registered workspaces of a name that are still there."""
    known = (read(home) for home in _homes(name))
    return [config for config in known if config is not None and config.name == name]


def of_address(config: WorkspaceConfig) -> Optional[WorkspaceConfig]:
    """The registered workspace with the name, subscription and resource group of another."""
    return next((each for each in of_name(config.name) if each.address == config.address), None)


def read_all() -> List[WorkspaceConfig]:
    """All registered workspaces that are still there, sorted by name."""
    root = workspaces_folder()
    homes = sorted(os.listdir(root)) if os.path.isdir(root) else []
    known = (read(os.path.join(root, home)) for home in homes)
    return [config for config in known if config is not None]


def read(home: str) -> Optional[WorkspaceConfig]:
    """The workspace that is remembered in a folder, or None."""
    folder = _pointer(home) or home
    path = workspace_config.find_in(folder)
    try:
        return None if path is None else workspace_config.read(path)
    except UserErrorException as error:
        log.info("a registered workspace cannot be read: %s", error.message)
        return None


def fits(
    config: WorkspaceConfig, subscription_id: Optional[str], resource_group: Optional[str]
) -> bool:
    """Whether a workspace is the one meant; what is None is not asked for."""
    asked = (subscription_id, resource_group)
    has = config.address[:2]
    return all(a in (None, b) or b == LOCAL for a, b in zip(asked, has))  # noqa: B905  (3.8)


def workspaces_folder() -> str:
    """Where workspaces are remembered, and live unless they are made elsewhere."""
    return os.path.join(dispatcher_home(), "workspaces")


def _above(config: WorkspaceConfig, folder: str) -> Optional[WorkspaceConfig]:
    """The workspace of that address that lives in a folder above, or None."""
    for path in workspace_config.find_above(folder):
        try:
            found = workspace_config.read(path)
        except UserErrorException:
            continue  # somebody else's config.json
        if found.address == config.address and os.path.isdir(found.data_folder):
            return found
    return None


def _homes(name: str) -> Iterator[str]:
    """The folders in which workspaces of a name may be remembered."""
    home = find_home()
    if home is None:
        return
    first = os.path.join(home, "workspaces", name)
    yield first
    yield from sorted(glob.glob(f"{glob.escape(first)}{_SEPARATOR}*"))


def _free_home(config: WorkspaceConfig, folder: str) -> str:
    """The folder to remember a workspace in: by its name, unless another one has that."""
    home = os.path.join(workspaces_folder(), config.name)
    known = read(home)
    if known is None or known.address == config.address or _pointer(home) == folder:
        return home
    digest = hashlib.sha256("\n".join(config.address).encode("utf-8", "replace")).hexdigest()
    return f"{home}{_SEPARATOR}{digest[:8]}"


def _pointer(home: str) -> Optional[str]:
    try:
        path = os.path.join(home, _LOCATION)
        with open(path, "rb") as file:
            return os.fsdecode(file.read())
    except OSError:
        return None  # most live in their home itself


def _is_same_place(one: WorkspaceConfig, other: WorkspaceConfig) -> bool:
    def place(config: WorkspaceConfig) -> Tuple[str, Optional[str]]:
        return os.path.realpath(config.data_folder), config.service_url

    own = file_id(one.data_folder)
    is_same_folder = own is not None and own == file_id(other.data_folder)  # as by a bind mount
    return place(one) == place(other) or (is_same_folder and place(one)[1] == place(other)[1])
