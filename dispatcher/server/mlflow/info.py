"""The calls by which clients learn what a server supports."""

from fastapi import Response
from fastapi.responses import PlainTextResponse

from dispatcher.access.permissions import Permission
from dispatcher.server.guard import allow, guarded_router, public
from dispatcher.server.mlflow.render import answer

router = guarded_router()
MLFLOW_VERSION = "3.17.2"  # the release of MLflow whose client this API supports


@router.get("/version", response_class=PlainTextResponse)
@public
def read_version() -> str:
    """The release of MLflow whose API this is; clients choose their calls by it."""
    return MLFLOW_VERSION


@router.get("/health", response_class=PlainTextResponse)
@public
def read_health() -> str:
    return "OK"


@router.get("/api/3.0/mlflow/server-info")
@allow(Permission.READ_SERVER)
def read_server_info() -> Response:
    """The optional parts of MLflow that the service supports: none."""
    return answer(
        {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "trace_archival_enabled": False,
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
        }
    )
