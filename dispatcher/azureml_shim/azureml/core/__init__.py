"""`from azureml.core import Run, Workspace, …`: imported when first asked for, as in dispatcher."""

import dispatcher as _dispatcher

VERSION = "1.61.0"
__version__ = VERSION

__all__ = ["VERSION", *_dispatcher.__all__]


def __getattr__(name: str) -> object:
    if name not in _dispatcher.__all__:
        raise AttributeError(
            f"azureml.core.{name} is not part of dispatcher's azureml; it has: "
            + ", ".join(_dispatcher.__all__)
        )
    return getattr(_dispatcher, name)


def __dir__() -> "list[str]":
    return sorted(__all__)
