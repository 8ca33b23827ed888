"""Specs that were stored or read lately, so that each is checked once.

To check a spec costs more than all else that reading a run takes. A run's spec never changes and
was checked when it was accepted, so the same text is the same spec.
"""

import threading
from collections import OrderedDict

from dispatcher.core.runs.spec import STORED, RunSpec

KEPT = 4096
LONGEST = 8 * 1024  # characters; a longer one, which may hold a megabyte, is checked again
_known: OrderedDict[str, RunSpec] = OrderedDict()
_lock = threading.Lock()


def write(spec: RunSpec) -> str:
    """The spec as text. What it is asked for soon is known then."""
    text = spec.model_dump_json(exclude_defaults=True)
    _keep(text, spec)
    return text


def read(text: str) -> RunSpec:
    """The spec that `write` made a text of."""
    spec = _known.get(text)
    if spec is None:
        spec = RunSpec.model_validate_json(text, context=STORED)
        _keep(text, spec)
    return spec


def _keep(text: str, spec: RunSpec) -> None:
    if len(text) > LONGEST:
        return
    with _lock:
        if len(_known) >= KEPT:
            _known.popitem(last=False)  # the oldest one
        _known[text] = spec
