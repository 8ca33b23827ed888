"""A package whose installation waits until it is let go, so that what is true meanwhile is seen."""

from pathlib import Path

PROJECT = """
[build-system]
requires = []
build-backend = "held_build"
backend-path = ["."]

[project]
name = "held"
version = "1.0"
"""
BACKEND = '''
"""Makes an empty wheel once the folder has a file `go`."""

import time
import zipfile
from pathlib import Path


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    while not Path({folder!r}, "go").exists():
        time.sleep(0.01)
    name = "held-1.0-py3-none-any.whl"
    with zipfile.ZipFile(Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("held.py", "")
        for file, lines in (
            ("METADATA", ("Metadata-Version: 2.1", "Name: held", "Version: 1.0")),
            ("WHEEL", ("Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any")),
            ("RECORD", ()),
        ):
            wheel.writestr(f"held-1.0.dist-info/{file}", "".join(f"{line}\\n" for line in lines))
    return name
'''


class HeldPackage:
    """`requirement` names it to pip and uv."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "pyproject.toml").write_text(PROJECT)
        (folder / "held_build.py").write_text(BACKEND.replace("{folder!r}", repr(str(folder))))
        self._folder = folder
        self.requirement = f"held @ {folder.as_uri()}"

    def let_go(self) -> None:
        (self._folder / "go").touch()
