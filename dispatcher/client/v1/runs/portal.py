"""The URLs of v1's portal pages, by name; the pages are at the service's address."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatcher.client.api.connection import ApiConnection

DELIM = "#"
_DOCS = "https://docs.microsoft.com/python/api/azureml-core/azureml.core."


class Portal:
    """What v1's runs and experiments have of Azure's portal; only `get_portal_url` leads there."""

    DELIM = DELIM
    RUN_PATH = "/runs/{0}"
    EXPERIMENT_NAME_PATH = "/experiments/{0}"
    EXPERIMENT_ID_PATH = "/experiments/id/{0}"
    WORKSPACE_FMT = "?wsid=/subscriptions/{0}/resourcegroups/{1}/workspaces/{2}"
    TID_FMT = "&tid={0}"

    @property
    def portal_url(self) -> str:
        """Where the pages are: the service's address."""
        return self._service.address.url

    @property
    def identity(self) -> str:
        """A name for logs: class and id."""
        return f"{type(self).__name__}{DELIM}{self._page_name}"

    @classmethod
    def get_docs_url(cls) -> str:
        """The page of v1's reference that describes the class."""
        return _DOCS + cls.__name__.lower()

    @property
    def _service(self) -> ApiConnection:
        raise NotImplementedError

    @property
    def _page_name(self) -> str:
        raise NotImplementedError
