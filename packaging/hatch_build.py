"""The hook of hatch: it builds the studio before a wheel, an sdist or an editable install."""

import os
import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SKIP = "DISPATCHER_WITHOUT_STUDIO"


class StudioBuild(BuildHookInterface):  # type: ignore[type-arg]
    """Runs `build_studio.py`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        if os.environ.get(SKIP):
            self.app.display_warning(f"{SKIP} is set: the studio is not built")
            return
        subprocess.run([sys.executable, "packaging/build_studio.py"], cwd=self.root, check=True)
