"""What an environment installs: conda and pip packages, in conda's own file format."""
# ruff: noqa: ARG002, ARG004  (the signatures are Azure ML's)

from __future__ import annotations

import os
import re

from dispatcher.client import checks
from dispatcher.client.errors import UserErrorException

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterable, Iterator, List, NoReturn, Optional

FILE = "conda_dependencies.yml"
PYTHON_VERSION = "3.10.18"
_DEFAULT_PIP = "azureml-defaults"
_NAME = re.compile(r"^(?:[\w.-]+::)?([A-Za-z0-9][\w.-]*)")
_HEAD = """# The packages of an environment, as conda reads them. Those of azureml are not
# installed: a run has what its script needs of them.
"""


@checks.checked_class
class CondaDependencies:
    """The packages of an environment.

    Args:
        conda_dependencies_file_path: A file to read them from; default: Python and v1's
            `azureml-defaults`, which a run has in any case.

    Raises:
        UserErrorException: The file cannot be read, or is none of conda's.
    """

    DEFAULT_NUMBER_OF_CONDA_PACKAGES = 0
    DEFAULT_NUMBER_OF_PIP_PACKAGES = 0

    def __init__(
        self,
        conda_dependencies_file_path: Optional[str] = None,
        _underlying_structure: Optional[Dict[str, Any]] = None,
    ) -> None:
        checks.paths_or_none(conda_dependencies_file_path=conda_dependencies_file_path)
        if conda_dependencies_file_path is not None:
            _underlying_structure = _read(conda_dependencies_file_path)
        structure = _default() if _underlying_structure is None else _underlying_structure
        self._told = _sound(structure, str(conda_dependencies_file_path or "_underlying_structure"))

    @staticmethod
    def create(
        pip_indexurl: Optional[str] = None,
        pip_packages: Optional[List[str]] = None,
        conda_packages: Optional[List[str]] = None,
        python_version: Optional[str] = PYTHON_VERSION,
        pin_sdk_version: bool = True,
    ) -> CondaDependencies:
        """Packages by name.

        Args:
            pip_indexurl: Where pip looks.
            pip_packages: Default: v1's `azureml-defaults`.
            conda_packages: What conda installs.
            python_version: The interpreter's version.
            pin_sdk_version: v1 gave its own packages the SDK's version; they are not installed.
        """
        dependencies = CondaDependencies()
        if python_version is not None:
            dependencies.set_python_version(python_version)
        if pip_packages is not None:
            checks.lists_of_texts(pip_packages=pip_packages)
            dependencies.remove_pip_package(_DEFAULT_PIP)
        for package in pip_packages or []:
            dependencies.add_pip_package(package)
        checks.lists_of_texts(conda_packages=conda_packages or [])
        for package in conda_packages or []:
            dependencies.add_conda_package(package)
        if pip_indexurl is not None:
            dependencies.set_pip_index_url(pip_indexurl)
        return dependencies

    @staticmethod
    def merge_requirements(requirements: Iterable[str]) -> List[str]:
        """Requirements of one package as one: `["a>=1", "a<2"]` becomes `["a>=1,<2"]`."""
        merged: Dict[str, List[str]] = {}
        for requirement in requirements:
            name = _name_of(requirement)
            merged.setdefault(name, []).append(requirement.strip()[len(name) :])
        return [name + ",".join(part for part in parts if part) for name, parts in merged.items()]

    @property
    def conda_channels(self) -> Iterator[str]:
        """Where conda looks."""
        return iter(list(self._told.get("channels") or []))

    @property
    def conda_packages(self) -> Iterator[str]:
        """What conda installs, Python among it."""
        return iter([one for one in self._conda if isinstance(one, str)])

    @property
    def pip_packages(self) -> Iterator[str]:
        """What pip installs."""
        return iter([one for one in self._pip if not one.startswith("-")])

    @property
    def pip_options(self) -> Iterator[str]:
        """The options that pip gets."""
        return iter([one for one in self._pip if one.startswith("-")])

    def get_default_number_of_packages(self) -> int:
        """How many packages v1 counts as there in any case."""
        return self.DEFAULT_NUMBER_OF_CONDA_PACKAGES + self.DEFAULT_NUMBER_OF_PIP_PACKAGES

    def get_python_version(self) -> Optional[str]:
        """The interpreter's version, or None where any will do."""
        for one in self.conda_packages:
            if _name_of(one) == "python":
                return re.sub(r"^python\s*[=~<>]*", "", one) or None
        return None

    def set_python_version(self, version: str) -> None:
        """Ask for a version of the interpreter."""
        checks.texts(version=version)
        self._conda[:] = [one for one in self._conda if _named(one) != "python"]
        self._conda.insert(0, f"python={version}")

    def add_channel(self, channel: str) -> None:
        """Have conda look there, too."""
        checks.texts(channel=channel)
        channels = self._told.setdefault("channels", [])
        if channel not in channels:
            channels.append(channel)

    def remove_channel(self, channel: str) -> None:
        """Have conda look there no more; a channel that is not there is fine."""
        checks.texts(channel=channel)
        self._told["channels"] = [one for one in self.conda_channels if one != channel]

    def add_conda_package(self, conda_package: str) -> None:
        """Add a package; one of that name is replaced."""
        checks.texts(conda_package=conda_package)
        self.remove_conda_package(conda_package)
        rest = [one for one in self._conda if not isinstance(one, str)]
        packages = [one for one in self._conda if isinstance(one, str)]
        self._conda[:] = [*packages, conda_package, *rest]

    def remove_conda_package(self, conda_package: str) -> None:
        """Take a package out, whatever its version; one that is not there is fine."""
        checks.texts(conda_package=conda_package)
        name = _name_of(conda_package)
        self._conda[:] = [one for one in self._conda if _named(one) != name]

    def add_pip_package(self, pip_package: str) -> None:
        """Add a package; one of that name is replaced."""
        checks.texts(pip_package=pip_package)
        if not pip_package.startswith("-"):
            self.remove_pip_package(pip_package)
        elif pip_package in self._pip:
            return
        self._own_pip().append(pip_package)

    def remove_pip_package(self, pip_package: str) -> None:
        """Take a package out, whatever its version; one that is not there is fine."""
        checks.texts(pip_package=pip_package)
        name = _name_of(pip_package).lower().replace("_", "-")
        kept = [one for one in self._pip if one.startswith("-") or _pip_name(one) != name]
        if kept != self._pip:
            self._own_pip()[:] = kept

    def set_pip_option(self, pip_option: str) -> None:
        """Give pip an option, such as `--pre`; one of that name is replaced."""
        checks.texts(pip_option=pip_option)
        self.remove_pip_option(pip_option)
        self._own_pip().append(pip_option)

    def remove_pip_option(self, pip_option: str) -> None:
        """Take an option from pip, whatever its value; one that is not there is fine."""
        checks.texts(pip_option=pip_option)
        name = re.split(r"[ =]", pip_option)[0]
        kept = [one for one in self._pip if re.split(r"[ =]", one)[0] != name]
        if kept != self._pip:
            self._own_pip()[:] = kept

    def set_pip_index_url(self, index_url: str) -> None:
        """Have pip look there."""
        checks.texts(index_url=index_url)
        self.set_pip_option(f"--index-url {index_url}")

    def set_pip_requirements(self, pip_requirements: List[str]) -> None:
        """Have pip install these, as lines of a requirements file, instead of what it had."""
        checks.lists_of_texts(pip_requirements=pip_requirements)
        self._own_pip()[:] = list(pip_requirements)

    def add_tensorflow_pip_package(
        self, core_type: str = "cpu", version: Optional[str] = None
    ) -> None:
        """Add TensorFlow.

        Raises:
            UserErrorException: `core_type` is neither "cpu" nor "gpu".
        """
        self.add_pip_package(_tensorflow(core_type, version, "=="))

    def add_tensorflow_conda_package(
        self, core_type: str = "cpu", version: Optional[str] = None
    ) -> None:
        """Add TensorFlow from conda. Raises as `add_tensorflow_pip_package`."""
        self.add_conda_package(_tensorflow(core_type, version, "="))

    def add_cntk_package(self, core_type: str = "cpu") -> NoReturn:
        """CNTK is not made any more. Raises UserErrorException."""
        raise UserErrorException("CNTK is not made any more; add the packages that you need.")

    def save_to_file(self, base_directory: str, conda_file_path: Optional[str] = None) -> str:
        """Write `<base_directory>/<conda_file_path>` and return the path below the directory."""
        checks.paths(base_directory=base_directory)
        checks.paths_or_none(conda_file_path=conda_file_path)
        below = os.fspath(conda_file_path or FILE)
        self.save(os.path.join(base_directory, below))
        return below

    def save(self, path: Optional[str] = None) -> str:
        """Write a file that conda reads, and return its path; default `conda_dependencies.yml`."""
        checks.paths_or_none(path=path)
        target = os.fspath(path or FILE)
        if os.path.isdir(target):
            target = os.path.join(target, FILE)
        with open(target, "w", encoding="utf-8") as file:
            file.write(_HEAD + self.serialize_to_string())
        return target

    def serialize_to_string(self) -> str:
        """The text of the file."""
        from dispatcher.client.v1.configs.yaml_text import written

        return written(self._told)

    def as_dict(self) -> Dict[str, Any]:
        """What the file says."""
        copy: Dict[str, Any] = _copied(self._told)
        return copy

    @property
    def is_default(self) -> bool:
        """Whether nothing was asked for beyond what v1 has in each environment."""
        return self._told == _default()

    @property
    def _conda(self) -> List[Any]:
        found: List[Any] = self._told["dependencies"]
        return found

    @property
    def _pip(self) -> List[str]:
        for one in self._conda:
            if isinstance(one, dict) and "pip" in one:
                found: List[str] = one["pip"]
                return found
        return []

    def _own_pip(self) -> List[str]:
        if not any(isinstance(one, dict) and "pip" in one for one in self._conda):
            self._conda.append({"pip": []})
        return self._pip

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CondaDependencies) and other._told == self._told

    __hash__ = None  # type: ignore[assignment]  # it can change

    def __repr__(self) -> str:
        return f"CondaDependencies({self._told!r})"


def packages_of(value: Any, where: str = "conda_dependencies") -> Optional[CondaDependencies]:
    """What an environment was given as its packages: one of these, conda's mapping, or None."""
    if value is None or isinstance(value, CondaDependencies):
        return value
    return CondaDependencies(_underlying_structure=_sound(value, where))


def _copied(structure: Any) -> Any:
    """A copy of what a file says. `deepcopy` takes five times as long, for each of many runs."""
    if isinstance(structure, dict):
        return {key: _copied(item) for key, item in structure.items()}
    return [_copied(item) for item in structure] if isinstance(structure, list) else structure


def _default() -> Dict[str, Any]:
    return {
        "name": "project_environment",
        "dependencies": [f"python={PYTHON_VERSION}", {"pip": [_DEFAULT_PIP]}],
        "channels": ["anaconda", "conda-forge"],
    }


def _read(path: str) -> Any:
    from dispatcher.client.v1.configs.text import read

    return read(path)


def _sound(structure: Any, where: str) -> Dict[str, Any]:
    """The structure, its own, if it is one of conda's."""
    if not isinstance(structure, dict):
        raise UserErrorException(
            f"{where} is not a list of conda's dependencies: it holds no mapping."
        )
    copy: Dict[str, Any] = _copied(structure)
    copy["dependencies"] = copy.get("dependencies") or []
    _require_texts(f"{where}: channels", copy.get("channels") or [])
    if not isinstance(copy["dependencies"], list):
        raise UserErrorException(f"{where}: dependencies is a list, not {copy['dependencies']!r}.")
    for one in copy["dependencies"]:
        if isinstance(one, dict) and list(one) == ["pip"]:
            one["pip"] = one["pip"] or []
            _require_texts(f"{where}: dependencies.pip", one["pip"])
        elif not isinstance(one, str):
            raise UserErrorException(
                f"{where}: dependencies holds {one!r}; it takes texts and pip."
            )
    return copy


def _require_texts(where: str, value: Any) -> None:
    if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
        raise UserErrorException(f"{where} is a list of texts, not {value!r}."[:400])


def _named(one: Any) -> str:
    return _name_of(one) if isinstance(one, str) else ""


def _name_of(package: str) -> str:
    match = _NAME.match(package.strip())
    return match[1] if match else package.strip()


def _pip_name(package: str) -> str:
    return _name_of(package).lower().replace("_", "-")


def _tensorflow(core_type: str, version: Optional[str], equals: str) -> str:
    checks.texts_or_none(version=version)
    if core_type not in ("cpu", "gpu"):
        raise UserErrorException(f"core_type is 'cpu' or 'gpu', not {core_type!r}.")
    name = "tensorflow" if core_type == "cpu" else "tensorflow-gpu"
    return f"{name}{equals}{version}" if version else name
