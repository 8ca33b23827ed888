"""The names of conda's packages on PyPI, for machines without conda."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, NamedTuple, Optional, Sequence, Tuple

    class Mapped(NamedTuple):
        """Requirements for pip, and a note on each package of conda."""

        pip: List[str]
        notes: List[str]

else:
    from collections import namedtuple

    Mapped = namedtuple("Mapped", ["pip", "notes"])

_OTHER_NAMES = {
    "dask-core": "dask",
    "keras-gpu": "keras",
    "lightning": "lightning",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-lightgbm": "lightgbm",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "pytorch-lightning": "pytorch-lightning",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
}
# Libraries and programs that only conda offers. Wheels on PyPI bring their own copies.
_CONDA_ALONE = frozenset(
    {
        "blas",
        "c-compiler",
        "ca-certificates",
        "compilers",
        "cudatoolkit",
        "cudnn",
        "cxx-compiler",
        "fortran-compiler",
        "gcc",
        "gfortran",
        "git",
        "glib",
        "gxx",
        "intel-openmp",
        "libblas",
        "libcblas",
        "libffi",
        "libgcc",
        "libgcc-ng",
        "libgfortran",
        "libgomp",
        "liblapack",
        "libpng",
        "libstdcxx-ng",
        "llvm-openmp",
        "make",
        "mkl",
        "mkl-service",
        "mpich",
        "nccl",
        "ncurses",
        "nomkl",
        "openblas",
        "openjdk",
        "openmpi",
        "openssl",
        "pytorch-cuda",
        "pytorch-mutex",
        "readline",
        "sqlite",
        "tk",
        "xz",
        "zlib",
    }
)
_PACKAGE = re.compile(r"^(?:[\w.-]+::)?([A-Za-z0-9][\w.-]*?)(?=[\s=<>!~]|$)\s*(.*)$")


def mapped(packages: Sequence[str]) -> Mapped:
    """Translate packages of conda for pip.

    Raises:
        ValueError: An entry is not a package.
    """
    requirements, notes = [], []
    for package in packages:
        match = _PACKAGE.match(package.strip())
        if match is None:
            raise ValueError(f"{package!r}, which is not a package of conda")
        name = match[1].lower()
        if name in ("pip", "python"):
            continue
        if name in _CONDA_ALONE:
            notes.append(f"{package}: only conda offers it; left out")
            continue
        bounds, build = _bounds(match[2])
        requirement = _OTHER_NAMES.get(name, name) + bounds
        requirements.append(requirement)
        note = f" (build {build} exists for conda only)" if build else ""
        notes.append(f"{package}: installed by pip as {requirement}{note}")
    return Mapped(requirements, notes)


def _bounds(text: str) -> Tuple[str, Optional[str]]:
    """Version bounds of conda as those of pip, and the requested build."""
    text = re.sub(r"\s*([=<>!~,|]+)\s*", r"\1", text.strip())
    match = re.match(r"^(?:=|)([\w.*]+)(?:[=\s]([\w.*]+))?$", text)  # =1.2, =1.2=build, " 1.2"
    if match is not None and match[1] != "*":
        return _fuzzy(match[1]), match[2]
    if match is not None or not text:
        return "", None
    match = re.match(r"^==([\w.*]+)(?:=([\w.*]+))?$", text)
    if match is not None:
        return f"=={match[1]}", match[2]
    if "|" in text:
        raise ValueError(f"{text!r}: pip has no alternatives; name one package")
    return text, None


def _fuzzy(version: str) -> str:
    """To conda `=1.2` is any 1.2, and `=1.2.3` is exactly that."""
    version = version.rstrip(".*")
    return f"=={version}.*" if version.count(".") < 2 else f"=={version}"
