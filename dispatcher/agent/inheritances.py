"""What jobs inherit from their submitters: files by hash, put here by the target."""

from __future__ import annotations

import logging
import os

from dispatcher.agent.folders import Root, read_file
from dispatcher.wire.inheritance import decode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Optional

    from dispatcher.wire.inheritance import Inheritance

log = logging.getLogger(__name__)
_MAX_KNOWN = 64


class InheritanceReader:
    """Reads the files, each once.

    Args:
        root: The agent's root.
    """

    def __init__(self, root: Root) -> None:
        self._folder = root.inheritances
        self._known: Dict[str, Inheritance] = {}

    def get(self, digest: Optional[str]) -> Optional[Inheritance]:
        """What a job inherits; None if it inherits from the agent, or the file is missing."""
        if not digest:
            return None
        if digest not in self._known:
            try:
                inheritance = decode(
                    read_file(os.path.join(self._folder, os.path.basename(digest)))
                )
            except (OSError, ValueError) as error:
                log.warning("what a job inherits cannot be read: %s", error)
                return None
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[digest] = inheritance
        return self._known[digest]
