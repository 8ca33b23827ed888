"""v1's authentication classes: accepted without effect; the service takes its own tokens."""
# ruff: noqa: ARG002  (the signatures are Azure ML's)

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, NoReturn, Optional

_noted = False


class AbstractAuthentication:
    """A way to log in: it is not asked for."""

    def __init__(self, **kwargs: Any) -> None:
        _note()

    def get_authentication_header(self) -> NoReturn:
        """There is none to get. Raises UserErrorException."""
        self._refuse("get_authentication_header")

    def get_token(self, *scopes: str) -> NoReturn:
        """There is none to get. Raises UserErrorException."""
        self._refuse("get_token")

    def _refuse(self, call: str) -> NoReturn:
        from dispatcher.client.errors import UserErrorException

        raise UserErrorException(
            f"{type(self).__name__}.{call}: there is no Azure to log in to. The service takes its "
            "own token; its HTTP API is described in docs/protocol.md."
        )


class InteractiveLoginAuthentication(AbstractAuthentication):
    """A login by a browser."""

    def __init__(
        self, force: bool = False, tenant_id: Optional[str] = None, cloud: Optional[str] = None
    ) -> None:
        super().__init__()


class AzureCliAuthentication(AbstractAuthentication):
    """A login by `az login`."""

    def __init__(self, cloud: Optional[str] = None) -> None:
        super().__init__()


class ServicePrincipalAuthentication(AbstractAuthentication):
    """A login of a program; the password is not kept."""

    def __init__(
        self,
        tenant_id: str,
        service_principal_id: str,
        service_principal_password: str,
        cloud: str = "AzureCloud",
        _enable_caching: bool = True,
    ) -> None:
        super().__init__()


class MsiAuthentication(AbstractAuthentication):
    """A login of a machine in Azure."""

    def __init__(self, identity_config: Any = None, cloud: Optional[str] = None) -> None:
        super().__init__()


class TokenAuthentication(AbstractAuthentication):
    """A login by a token."""

    def __init__(
        self, get_token_for_audience: Optional[Callable[..., str]] = None, cloud: Any = None
    ) -> None:
        super().__init__()


def _note() -> None:
    """Say once that nothing comes of it."""
    global _noted
    if not _noted:
        _noted = True
        import logging

        logging.getLogger("dispatcher").warning(
            "Azure logins are accepted and ignored: the service is reached with its own token."
        )
