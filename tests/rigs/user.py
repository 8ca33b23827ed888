"""Another user of this machine: a user and group id with a home, who runs `dispatcher` and scripts.

The id needs no entry in the password file. The tests' interpreter may lie below a folder that only
root may enter; then the user's programs run in a mount namespace in which that folder holds the
interpreter alone.
"""

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.rigs import missing

CLI = ("-m", "dispatcher.cli.main")
_NAMESPACE = """
set -eu
mkdir -p "$1"
mount --rbind "$2" "$1"
mount -t tmpfs -o mode=755 none "$3"
mkdir -p "$2"
mount --rbind "$1" "$2"
shift 3
exec setpriv "$@"
"""


class User:
    """A user with a home folder.

    Args:
        uid: The user id, and the id of its own group.
        folder: A folder of root's that everybody may enter; the home is made in it.
        groups: Further groups.
    """

    def __init__(self, uid: int, folder: Path, groups: Sequence[int] = ()) -> None:
        missing.root("running programs as another user")
        self.uid, self._groups = uid, groups
        self.home = folder / f"home-{uid}"
        self.home.mkdir(mode=0o700)
        os.chown(self.home, uid, uid)
        self._mount = folder / f"interpreter-{uid}"

    def python(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the tests' interpreter with these arguments, in the user's home."""
        return subprocess.run(
            self._command([sys.executable, *words]),
            env=self._environment(),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def cli(self, *words: str, code: int = 0) -> str:
        """Run `dispatcher` with these words, and return its output."""
        done = self.python(*CLI, *words)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def can_read(self, folder: Path) -> list[str]:
        """The files below a folder that the user can read."""
        search = "import os, sys\n" + (
            "for place, _folders, files in os.walk(sys.argv[1]):\n"
            "    for name in files:\n"
            "        path = os.path.join(place, name)\n"
            "        if os.access(path, os.R_OK): print(path)\n"
        )
        return self.python("-c", search, str(folder)).stdout.splitlines()

    def _environment(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "DISPATCHER_GPU_LOCKS")}
        return {**kept, "HOME": str(self.home), "PYTHONPATH": str(Path.cwd())}

    def _command(self, words: list[str]) -> list[str]:
        groups = ",".join(map(str, self._groups))
        ids = ["--reuid", str(self.uid), "--regid", str(self.uid)]
        ids += ["--groups", groups] if groups else ["--clear-groups"]
        closed = _closed_folder(Path(sys.base_prefix).resolve())
        if closed is None:
            return ["setpriv", *ids, *words]
        places = [str(self._mount), str(Path(sys.base_prefix).resolve()), str(closed)]
        return ["unshare", "--mount", "sh", "-c", _NAMESPACE, "sh", *places, *ids, *words]


def _closed_folder(path: Path) -> Path | None:
    """The uppermost folder above a path that others may not enter."""
    for parent in reversed(path.parents):
        if not parent.stat().st_mode & stat.S_IXOTH:
            return parent
    return None
