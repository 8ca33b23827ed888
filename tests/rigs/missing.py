"""What a rig needs from the machine, or the reason why the test fails without it.

A missing part never skips a test. It fails it, with the command that installs the part.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

# Where Debian puts programs that an ordinary user's PATH may leave out.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
APT = "apt-get install -y --no-install-recommends "


def program(name: str, package: str) -> str:
    """Return the path of a program; fail the test, naming the Debian package, if it is absent."""
    found = shutil.which(name) or shutil.which(name, path=SYSTEM_PATH)
    return found or part(name, APT + package)


def newest(pattern: str, package: str) -> Path:
    """Return the last path that matches a glob below /; fail the test if there is none."""
    found = sorted(Path("/").glob(pattern.lstrip("/")))
    return found[-1] if found else part(pattern, APT + package)


def root(purpose: str) -> None:
    """Fail the test unless it runs as root."""
    if os.geteuid() != 0:
        pytest.fail(f"{purpose} needs root; run it with: sudo make test", pytrace=False)


def part(name: str, command: str) -> NoReturn:
    """Fail the test because a part is missing, and say which command installs it."""
    pytest.fail(f"{name} is not installed; install it with: {command}", pytrace=False)
