"""The output folders of an interactive run: their files are uploaded when the run ends."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Sequence, Tuple, Union

    from dispatcher.client.v1.runs.files import RunFiles

    Folders = List[Tuple[str, str]]  # name at the run, absolute path


def make(outputs: Union[bool, str, Sequence[str], None]) -> Folders:
    """Make the folders that were asked for: None or True means `./outputs`, False none."""
    if outputs is False:
        return []
    from dispatcher.client import checks

    names = ["outputs"] if outputs is None or outputs is True else outputs
    listed = [names] if isinstance(names, str) else names
    checks.lists_of_texts(outputs=listed)
    folders = []
    for name in listed:
        if not name:
            checks.refuse("outputs", "the names of folders", name)
        os.makedirs(name, exist_ok=True)
        below = os.path.normpath(name).replace(os.sep, "/")
        leads_out = os.path.isabs(name) or below.startswith("..")
        folders.append((below.rpartition("/")[2] if leads_out else below, os.path.abspath(name)))
    return folders


def keep(run: RunFiles, folders: Folders) -> None:
    """Upload what is in the folders. A file whose name has another content already stays out."""
    from dispatcher.client.errors import ServiceException
    from dispatcher.client.v1.runs.files import below

    for name, folder in folders:
        if not os.path.isdir(folder):
            continue
        files = below(folder, name)
        try:
            run._artifacts.upload(files)
        except ServiceException as error:
            if error.status_code != 409:
                raise
            for each in files:
                _keep_one(run, *each)


def _keep_one(run: RunFiles, name: str, path: str) -> None:
    from dispatcher.client.errors import ServiceException

    try:
        run._artifacts.upload([(name, path)])
    except ServiceException as error:
        if error.status_code != 409:
            raise
        import logging

        logging.getLogger("dispatcher").warning("%s is not kept: %s", path, error.message)
