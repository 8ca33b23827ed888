"""Names of v1 that can be imported but not used; using one raises an error with the alternative."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, NoReturn


class _Kind(type):
    """The class of such names."""

    _v1_name = ""
    _instead = ""

    def __call__(cls, *_args: Any, **_kwargs: Any) -> NoReturn:
        cls._refuse()

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        cls._refuse(f".{name}")

    def _refuse(cls, what: str = "") -> NoReturn:
        from dispatcher.client.errors import NotYetAvailable

        raise NotYetAvailable(f"{cls._v1_name}{what} is not supported: {cls._instead}")


def unsupported(v1_name: str, instead: str) -> Any:
    """A class of that name, which raises NotYetAvailable when it is called or looked into.

    Args:
        v1_name: `azureml.core.Dataset`, say.
        instead: The way out, as a sentence.
    """
    facts: Dict[str, Any] = {"_v1_name": v1_name, "_instead": instead, "__doc__": instead}
    return _Kind(v1_name.rpartition(".")[2], (), facts)


def module(v1_name: str, names: Dict[str, str]) -> Any:
    """A `__getattr__` for a module of such names: those given, each with its way out."""

    def getattr_of_module(name: str) -> Any:
        if name not in names:
            known = ", ".join(sorted(names))
            raise AttributeError(f"{v1_name}.{name} is not known to dispatcher; it knows: {known}.")
        return unsupported(f"{v1_name}.{name}", names[name])

    return getattr_of_module
