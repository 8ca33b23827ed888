"""What clients ask of a server before they use it."""

from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse

from dispatcher.server.deps import identify
from dispatcher.server.mlflow.render import answer

router = APIRouter()
SPOKEN = "3.17.2"  # the release of MLflow whose client this API was written against


@router.get("/version", response_class=PlainTextResponse)
def read_version() -> str:
    """The release of MLflow that this API is like; clients choose their calls by it."""
    return SPOKEN


@router.get("/health", response_class=PlainTextResponse)
def read_health() -> str:
    return "OK"


@router.get("/api/3.0/mlflow/server-info", dependencies=[Depends(identify)])
def read_server_info() -> Response:
    """Which of the things that are optional in MLflow are there: none."""
    return answer(
        {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "trace_archival_enabled": False,
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
        }
    )
