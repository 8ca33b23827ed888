"""Metrics that are files: images, confusion matrices, tables; the metric refers to the file."""

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.in_run import metric_lines
from dispatcher.client.v1.runs.files import RunFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, NoReturn, Optional

_STEM = "aml://artifactId/ExperimentRun/dcid."
_IMAGES = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*"),
    *(b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"\x01\xda", b"\x59\xa6\x6a\x95", b"v/1\x01"),
)  # fmt: skip


class RunPlots(RunFiles):
    """The logging of files. Unlike numbers, they are with the service when the call returns."""

    @checks.checked
    def log_image(
        self, name: str, path: Optional[str] = None, plot: Any = None, description: str = ""
    ) -> None:
        """Upload an image and log a reference to it.

        Args:
            name: The metric.
            path: An image file; it is uploaded under this path (its base name if it is absolute).
            plot: Something with `savefig`, as pyplot or a figure has it; kept as
                `<name>_<unix seconds>.png`.
            description: Kept beside the reference.

        Raises:
            AzureMLException: Not exactly one of the two is given, the file is not an image, or the
                plot cannot be saved.
        """
        metric_lines.check_name(name)
        if (path is None) == (plot is None):
            _fail("log_image takes either path or plot, not both and not neither.")
        if path is not None:
            check_image(path)
            file = name_of(path)
            self._artifacts.upload([(file, path)])
        else:
            file = self._keep(name, f"{name}_{_now()}.png", _png_of(plot))
        self._refer(name, file, description)

    @checks.checked
    def log_confusion_matrix(self, name: str, value: Any, description: str = "") -> None:
        """Log a confusion matrix: v1's dict, or its JSON.

        Raises:
            UserErrorException: It is neither.
        """
        self._keep_json(name, value, description)

    @checks.checked
    def log_accuracy_table(self, name: str, value: Any, description: str = "") -> None:
        """Log an accuracy table: v1's dict, or its JSON. Raises as `log_confusion_matrix`."""
        self._keep_json(name, value, description)

    @checks.checked
    def log_residuals(self, name: str, value: Any, description: str = "") -> None:
        """Log residuals: v1's dict, or its JSON. Raises as `log_confusion_matrix`."""
        self._keep_json(name, value, description)

    @checks.checked
    def log_predictions(self, name: str, value: Any, description: str = "") -> None:
        """Log predictions: v1's dict, or its JSON. Raises as `log_confusion_matrix`."""
        self._keep_json(name, value, description)

    def _append(self, line: Optional[str]) -> None:
        raise NotImplementedError

    def _keep_json(self, name: str, value: Any, description: str) -> None:
        metric_lines.check_name(name)
        self._refer(name, self._keep(name, name, _json_of(name, value)), description)

    def _keep(self, metric: str, name: str, data: bytes) -> str:
        """Upload under the name, or, where another content has it, under one that is free."""
        import io

        from dispatcher.client.errors import ServiceException

        file = name_of(name)
        try:
            self._upload_stream(file, io.BytesIO(data))
        except ServiceException as error:
            if error.status_code != 409:
                raise
            stem, dot, ending = file.rpartition(".") if file != metric else (file, "", "")
            file = f"{stem}_{_now(1e6)}{dot}{ending}"
            self._upload_stream(file, io.BytesIO(data))
        return file

    def _refer(self, name: str, file: str, description: str) -> None:
        self._append(metric_lines.artifact_line(name, reference(self.id, file), description))


class ArtifactMetric:
    """What a metric refers to, with its content.

    Attributes:
        uri: The reference.
        name: The file's name at the run.
        data: The decoded JSON; for an image its bytes.
    """

    def __init__(self, uri: str, name: str, data: Any) -> None:
        self.uri = uri
        self.name = name
        self.data = data

    def __repr__(self) -> str:
        return f"ArtifactMetric(name={self.name!r})"


def reference(run_id: str, file: str) -> str:
    """How a metric refers to a file."""
    return f"{_STEM}{run_id}/{file}"


def populated(run: RunFiles, values: Dict[str, Any]) -> Dict[str, Any]:
    """The metrics of a run with the files instead of references to them."""
    return {name: _populated(run, value) for name, value in values.items()}


def _populated(run: RunFiles, value: Any) -> Any:
    if isinstance(value, list):
        return [_populated(run, item) for item in value]
    start = reference(run.id, "")
    if not isinstance(value, str) or not value.startswith(start):
        return value
    name = value[len(start) :]
    return ArtifactMetric(value, name, _content(run, name))


def _content(run: RunFiles, name: str) -> Any:
    import json
    import os
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "file")
        run.download_file(name, path)
        with open(path, "rb") as file:
            data = file.read()
    try:
        return json.loads(data)
    except ValueError:
        return data


def _json_of(name: str, value: Any) -> bytes:
    import json

    from dispatcher.client.errors import UserErrorException

    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise UserErrorException(f"What is logged as {name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise UserErrorException(f"{name} takes a dict or its JSON, not a {type(value).__name__}.")
    return json.dumps(value, default=_plain).encode()


def _plain(value: Any) -> Any:
    """numpy's arrays and numbers as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{value!r} is nothing that JSON can write")


def _png_of(plot: Any) -> bytes:
    import io

    if not callable(getattr(plot, "savefig", None)):
        _fail(f"log_image cannot save {plot!r}: it has no savefig; give a path instead.")
    stream = io.BytesIO()
    plot.savefig(stream, format="png")
    return stream.getvalue()


def check_image(path: str) -> None:
    """Raise AzureMLException unless the file begins as an image does."""
    try:
        with open(path, "rb") as file:
            start = file.read(12)
    except OSError as error:
        _fail(f"{path} cannot be read: {error.strerror or error}")
    if not start.startswith(_IMAGES) and not (start[:4] == b"RIFF" and start[8:] == b"WEBP"):
        _fail(f"{path} is not an image (PNG, JPEG, GIF, BMP, TIFF, WebP, …); use upload_file.")


def name_of(path: str) -> str:
    """A file's name: the path itself, or its base name where it leads out of the folder."""
    import re

    parts = re.sub(r"[\x00-\x1f\x7f]", "_", str(path)).replace("\\", "/").split("/")
    kept = [part for part in parts if part not in ("", ".")]
    return kept[-1] if parts[0] == "" or ".." in kept or ":" in kept[0] else "/".join(kept)


def _now(factor: float = 1) -> int:
    import time

    return int(time.time() * factor)


def _fail(text: str) -> NoReturn:
    from dispatcher.client.errors import AzureMLException

    raise AzureMLException(text)
