"""The path of a run in the service's API."""

from __future__ import annotations


def run_path(run_id: str) -> str:
    """`/runs/<id>`; characters that ids of runs do not have are percent-encoded.

    So a mistyped id is answered as unknown, and never read as a query or as another path.
    """
    if run_id.isascii() and run_id.replace("_", "").replace("-", "").isalnum():
        return f"/runs/{run_id}"
    from urllib.parse import quote  # only here: its import costs milliseconds

    return f"/runs/{quote(run_id, safe='', errors='surrogatepass')}"
