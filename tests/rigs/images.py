"""A container image made of the interpreter that runs the tests; no registry is asked.

Standard library, the shared libraries it needs, busybox, and, where wanted, some of the packages
that are installed beside the tests: about 75 MB, imported in one to three seconds.
"""

import io
import os
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import docker
from docker.models.images import Image

from tests.rigs import missing

NO_NEED = ("test", "site-packages", "dist-packages", "idlelib", "tkinter", "turtledemo", "config-")
APPLETS = [
    *("sh", "ls", "cat", "sleep", "kill", "ps", "env", "mkdir", "rm", "cp", "mv"),
    *("touch", "echo", "true", "false", "id", "head"),
]
FOLDERS = {"tmp": 0o1777, **dict.fromkeys(["proc", "sys", "dev", "root", "etc", "work"], 0o755)}
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/tmp:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
CHANGES = ["ENV PATH=/usr/local/bin:/bin", "ENV LANG=C.UTF-8", "WORKDIR /work"]


def host_python_image(
    client: docker.DockerClient, tag: str = "test/py:1", extra_site: Iterable[str] | None = None
) -> Image:
    """Import the image under the tag and return it.

    `extra_site` names files or folders of the tests' own site-packages, such as "numpy" and
    "numpy.libs", that the image's interpreter can import as well.
    """
    repository, _, version = tag.partition(":")
    client.api.import_image_from_data(
        _archive(tuple(extra_site or ())), repository=repository, tag=version, changes=CHANGES
    )
    return client.images.get(tag)


@cache
def _archive(extra_site: tuple[str, ...]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        _add_system(tar)
        _add_python(tar)
        _add_packages(tar, extra_site)
    return buffer.getvalue()


def _add_system(tar: tarfile.TarFile) -> None:
    for name, mode in FOLDERS.items():
        folder = tarfile.TarInfo(name)
        folder.type, folder.mode = tarfile.DIRTYPE, mode
        tar.addfile(folder)
    for name, text in ACCOUNTS.items():
        file = tarfile.TarInfo(name)
        file.size = len(text)
        tar.addfile(file, io.BytesIO(text.encode()))
    tar.add(os.path.realpath(missing.program("busybox", "busybox-static")), "bin/busybox")
    for applet in APPLETS:
        _link(tar, f"bin/{applet}", "busybox")


def _add_python(tar: tarfile.TarFile) -> None:
    binary, library = _interpreter(), sysconfig.get_path("stdlib")
    tar.add(os.path.realpath(binary), binary.lstrip("/"))
    for name in ("python", "python3", os.path.basename(binary)):
        _link(tar, f"usr/local/bin/{name}", binary)
    tar.add(library, library.lstrip("/"), filter=_needed)
    for path in _libraries([binary, *map(str, Path(library, "lib-dynload").glob("*.so"))]):
        tar.add(os.path.realpath(path), path.lstrip("/"))


def _add_packages(tar: tarfile.TarFile, names: tuple[str, ...]) -> None:
    here, there = sysconfig.get_path("purelib"), _packages_of(_interpreter())
    for name in names:
        tar.add(f"{here}/{name}", f"{there}/{name}".lstrip("/"), filter=_without_bytecode)
    compiled = [str(p) for name in names for p in Path(here, name).rglob("*.so*")]
    there_already = set(tar.getnames())
    for path in _libraries(compiled):
        if not path.startswith(f"{here}/") and path.lstrip("/") not in there_already:
            tar.add(os.path.realpath(path), path.lstrip("/"))


def _interpreter() -> str:
    return f"{sys.base_prefix}/bin/python{sysconfig.get_python_version()}"


def _packages_of(interpreter: str) -> str:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return subprocess.run(
        [interpreter, "-I", "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()


def _libraries(binaries: list[str]) -> set[str]:
    if not binaries:
        return set()
    shown = subprocess.run(["ldd", *binaries], capture_output=True, text=True).stdout
    return {word for word in shown.split() if word.startswith("/") and not word.endswith(":")}


def _needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    inside = entry.name[len(sysconfig.get_path("stdlib")) :].split("/")[0]
    return None if inside.startswith(NO_NEED) else _without_bytecode(entry)


def _without_bytecode(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name.split("/") else entry


def _link(tar: tarfile.TarFile, name: str, to: str) -> None:
    link = tarfile.TarInfo(name)
    link.type, link.linkname = tarfile.SYMTYPE, to
    tar.addfile(link)
