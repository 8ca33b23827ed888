"""The runs above the run around this code: `run.parent`, `run.parent.parent`, …

A run's token does not reach the runs above it. Their status, tags and properties are part of the
run's own record. What is logged to them goes through the run's own spool, in lines that name the
addressed run.
"""
# ruff: noqa: ARG001  (what is refused is refused whatever it is given)

from __future__ import annotations

from dispatcher.client import checks
from dispatcher.client.in_run.metric_lines import addressed, label_line
from dispatcher.client.v1.runs.run import Run
from dispatcher.client.v1.runs.tags import as_texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, List, NoReturn, Optional

    from dispatcher.client.api.connection import ApiConnection
    from dispatcher.client.api.records import RunRecord

    Record = Dict[str, Any]

_MOST_KEY = 256
_MOST_VALUE = 16 * 1024
_MEANT = frozenset((
    *("log", "log_list", "log_row", "log_table", "flush", "get_status", "get_detailed_status"),
    *("get_tags", "tag", "set_tags", "remove_tags", "get_properties", "add_properties"),
    *("get_portal_url", "get_docs_url", "get_context", "get_submitted_run", "get", "list"),
    *("list_by_compute", "get_secret", "get_secrets", "add_type_provider"),
))  # fmt: skip


def above(around: Run, run_id: Optional[str] = None) -> Optional[AncestorRun]:
    """The run of that id above the one around this code, or None; without an id the nearest."""
    for record in around._known("ancestors"):
        if run_id in (None, record["id"]):
            return AncestorRun(around, record)
    return None


@checks.checked_class
class AncestorRun(Run):
    """A run above the one around this code. It is read, logged to and tagged; nothing else.

    What is said to it is with the service after `flush()`, and soon without; what several runs log
    to it is in the order in which it came to the service. Tags and properties that it is given are
    shown here at once.
    """

    def __init__(self, around: Run, record: Record) -> None:
        super().__init__(around.experiment, record["id"], _record=record)
        self._around = around
        self._said = False

    @property
    def parent(self) -> Optional[Run]:
        """The run above it, or None."""
        parent_id = self._record["parent_id"]
        return above(self._around, parent_id) if parent_id else None

    def flush(self, timeout_seconds: int = 300) -> None:
        """Bring what was said to it, and what the run around this code has logged, to the service.

        Returns when it is there.
        """
        self._around.flush(timeout_seconds)
        self._said = False

    def get_detailed_status(self) -> Dict[str, Any]:
        """The status; why it waits is not told upwards."""
        return {"status": self.get_status(), "details": None}

    def tag(self, key: str, value: Any = None) -> None:
        """Set one tag, on a run of any status."""
        self._label("tag", "tags", as_texts({key: value}))

    def set_tags(self, tags: Dict[str, Any]) -> None:
        """Set several tags; the others stay."""
        self._label("tag", "tags", as_texts(tags))

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Remove tags by key; one that is not there is fine."""
        keys = [tags] if isinstance(tags, str) else list(tags)
        self._label("untag", "tags", dict.fromkeys(keys))
        for key in keys:
            self._record["tags"].pop(key, None)

    def add_properties(self, properties: Dict[str, Any]) -> None:
        """Add properties. The same value again is fine.

        Of two runs that say different values at once the first is kept; the service's log tells
        of the other.

        Raises:
            UserErrorException: One is there with another value; then nothing has changed.
        """
        texts = as_texts(properties)
        known = self.get_properties()
        for key, value in texts.items():
            if known.get(key, value) != value:
                _wrong(
                    f"property {key!r} of run {self.id} is {known[key]!r} and cannot be changed to "
                    f"{value!r}: properties are immutable, use a tag"
                )
            if key.startswith("model:"):
                _wrong(f"property {key!r}: a model is registered by the run that made it.")
        self._label("property", "properties", texts)

    @property
    def _service(self) -> ApiConnection:
        self._refuse("That")

    @property
    def portal_url(self) -> str:
        """Where the pages are: the service's address."""
        return self._around.portal_url

    def _known(self, key: str) -> Any:
        if key not in self._record:
            self._refuse(f"To read its {key}")
        record: Any = self._record
        return record[key]

    def _refresh(self) -> RunRecord:
        if self._said:
            self.flush()
        for record in self._around._refresh()["ancestors"]:
            if record["id"] == self.id:
                self._record = record
        return self._record

    def _change(self, fields: Record) -> None:
        self._refuse(f"To change its {', '.join(fields)}")

    def _append(self, line: Optional[str]) -> None:
        if line is not None:
            self._said = True
            self._around._append(addressed(line, self.id))

    def _label(self, kind: str, field: str, values: Dict[str, Optional[str]]) -> None:
        for key, value in values.items():
            _check(kind, key, value)
        for key, value in values.items():
            self._append(label_line(kind, key, value))
        record: Any = self._record
        record[field] = {**record[field], **values}

    def _refuse(self, what: str) -> NoReturn:
        _wrong(
            f"{what} is not possible on run {self.id} from run {self._around.id}, which is below "
            "it: a run may touch itself and what is below it. Upwards it may log, log_list, "
            "log_row, log_table, tag, set_tags and add_properties, and read the status, tags and "
            f"properties; do the rest in {self.id} itself, or where the runs were submitted."
        )


def _check(kind: str, key: object, value: Optional[str]) -> None:
    checks.text(f"the key of a {kind}", key)
    if not 0 < len(str(key)) <= _MOST_KEY:
        checks.refuse(f"the key of a {kind}", f"1 to {_MOST_KEY} characters", key)
    if value is not None:
        checks.text(f"{kind} {key!r}", value)
        if len(value) > _MOST_VALUE:
            _wrong(f"{kind} {key!r}: {len(value)} characters; at most {_MOST_VALUE}.")


def _wrong(text: str) -> NoReturn:
    from dispatcher.client.errors import UserErrorException

    raise UserErrorException(text)


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(self: AncestorRun, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse(name)

    refuse.__name__, refuse.__qualname__ = name, f"AncestorRun.{name}"
    refuse.__doc__ = "Not possible from a run below. Raises UserErrorException."
    return refuse


def _unmeant() -> List[str]:
    """Whatever else a run can do, now or later: it is refused by its name."""
    names = [name for name in dir(Run) if not name.startswith("_") and name not in _MEANT]
    return [*(name for name in names if callable(getattr(Run, name))), "__enter__"]


for _name in _unmeant():
    setattr(AncestorRun, _name, _refusing(_name))
