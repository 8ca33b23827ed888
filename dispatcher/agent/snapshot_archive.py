"""A snapshot's manifest and archive: checked against its id, and unpacked file by file."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tarfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any, Dict, List

_CHUNK = 1 << 20
# Errors of file systems for names that they cannot store beside the others.
_NAME_ERRORS = frozenset(
    {
        errno.EEXIST,
        errno.EILSEQ,
        errno.EINVAL,
        errno.EISDIR,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
    }
)


class BadSnapshot(Exception):
    """The received data is not the requested snapshot. Another transfer may be right."""


class UnusableSnapshot(Exception):
    """The snapshot can never be stored here: its names clash, or this file system lacks them."""


class ManifestFile:
    """One file of a manifest: permissions, size in bytes and SHA-256."""

    __slots__ = ("mode", "sha256", "size")

    def __init__(self, mode: int, size: int, sha256: str) -> None:
        self.mode = mode
        self.size = size
        self.sha256 = sha256


def files_of(snapshot: str, manifest: Any) -> Dict[str, ManifestFile]:
    """Path → file, of a manifest.

    Args:
        snapshot: The snapshot's id.
        manifest: The decoded manifest.

    Raises:
        BadSnapshot: The manifest does not have the id's hash, or is malformed.
        UnusableSnapshot: It names a path outside the snapshot, or a file below another file.
    """
    try:
        text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        if digest != snapshot:
            raise BadSnapshot(f"its manifest has the hash {digest}")
        rows: List[Any] = manifest["files"]
        files = {str(row[0]): ManifestFile(int(row[1]), int(row[2]), str(row[3])) for row in rows}
    except (ValueError, LookupError, TypeError) as error:
        raise BadSnapshot(f"its manifest is malformed: {error!r}") from error
    for path in files:
        _check_path(path, files)
    return files


def unpack(archive: IO[bytes], folder: str, files: Dict[str, ManifestFile]) -> None:
    """Write the files of a manifest below a folder.

    Args:
        archive: The tar stream.
        folder: An empty folder.
        files: The manifest's files.

    Raises:
        BadSnapshot: The archive does not hold exactly these files.
        UnusableSnapshot: The file system cannot hold one of the names beside the others.
        OSError: A file cannot be written.
    """
    missing = dict(files)
    with tarfile.open(fileobj=archive, mode="r|") as tar:
        for member in tar:
            if member.isdir():
                continue
            expected = missing.pop(member.name, None)
            data = tar.extractfile(member) if member.isreg() else None
            if expected is None or data is None or member.size != expected.size:
                raise BadSnapshot(f"{member.name!r} differs from the manifest")
            _write(data, folder, member.name, expected)
    if missing:
        raise BadSnapshot(f"{len(missing)} files are missing, for example {next(iter(missing))!r}")


def has_contents(folder: str, files: Dict[str, ManifestFile]) -> bool:
    """Whether the folder holds all of these files with their contents; reads every byte."""
    for name, expected in files.items():
        digest = hashlib.sha256()
        try:
            with open(os.path.join(folder, name), "rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except OSError:
            return False
        if digest.hexdigest() != expected.sha256:
            return False
    return True


def _check_path(path: str, files: Dict[str, ManifestFile]) -> None:
    parts = path.split("/")
    if "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise UnusableSnapshot(f"{path!r} is not a path below the snapshot")
    for end in range(1, len(parts)):
        above = "/".join(parts[:end])
        if above in files:
            raise UnusableSnapshot(f"{above!r} is a file, and {path!r} needs a folder of that name")


def _write(data: IO[bytes], folder: str, name: str, expected: ManifestFile) -> None:
    path = os.path.join(folder, name)
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = os.open(path, flags, expected.mode & 0o777 | 0o600)
    except OSError as error:
        if error.errno in _NAME_ERRORS:
            raise UnusableSnapshot(
                f"{name!r} clashes with another name of the snapshot on this file system, or is "
                f"no name there ({error.strerror}). Names that differ only in case clash on some "
                "file systems; rename one of them."
            ) from error
        raise
    with open(descriptor, "wb") as file:
        for chunk in iter(lambda: data.read(_CHUNK), b""):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != expected.sha256:
        raise BadSnapshot(f"the content of {name!r} does not have the hash in the manifest")
