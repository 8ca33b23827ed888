"""The keys under which a submitted run submits its children.

A run that is started again after its node was lost submits the same children again; under the same
keys it gets the ones that are there. A key made here names the call site, the child's configuration
and how often this process has submitted that configuration there. The count is per configuration,
not per call site, so threads that submit in another order come to the same keys.

Only the process that asked for the run's context first makes keys: the counts of a helper process
start anew, and its children would be taken for those of its siblings.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple

OWNER = "DISPATCHER_KEY_OWNER"
_CLIENT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = (_CLIENT + os.sep, os.path.join(os.path.dirname(_CLIENT), "azureml_shim") + os.sep)
# What a child is called or labelled does not make it another child; nor does its snapshot, which
# may hold what the parent has written into its working folder meanwhile.
_NOT_CONFIGURATION = ("id", "key", "key_hash", "parent_id", "tags", "properties", "snapshot")

_counts: Dict[Tuple[str, str], int] = {}
_lock = threading.Lock()


def configuration_hash(spec: Dict[str, Any]) -> str:
    """A hash of what the child does."""
    configuration = {key: value for key, value in spec.items() if key not in _NOT_CONFIGURATION}
    text = json.dumps(configuration, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def next_key(config_hash: str) -> Optional[str]:
    """The key of the child that is being submitted, or None where none would be reliable."""
    if os.environ.get(OWNER) != str(os.getpid()):
        return None
    site = _call_site() + _rank()
    with _lock:
        ordinal = _counts.get((site, config_hash), 0)
        _counts[site, config_hash] = ordinal + 1
    return f"{site}#{ordinal}:{config_hash}"


def _call_site() -> str:
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    path = os.path.abspath(frame.f_code.co_filename)
    root = os.environ.get("DISPATCHER_JOB_DIR", "")
    work = os.path.join(root, "work") if root else os.getcwd()
    inside = path.startswith(os.path.join(work, ""))
    return f"{os.path.relpath(path, work) if inside else path}:{frame.f_lineno}"


def _rank() -> str:
    """Each process of a distributed run submits for itself, as it does in v1."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return ""
    return f"@{os.environ.get('RANK', '0')}"
