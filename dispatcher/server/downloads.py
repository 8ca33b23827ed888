"""Headers of files that users wrote."""

from urllib.parse import quote


def attachment(name: str) -> dict[str, str]:
    """The headers of a download: a file that a script wrote must not run in a browser as a page of
    the service.

    Args:
        name: The path of the file; its last part is the name under which it is saved.
    """
    saved_as = quote(name.rpartition("/")[2], safe="")
    return {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": f"attachment; filename*=UTF-8''{saved_as}",
    }
