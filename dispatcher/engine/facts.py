"""What is known of a target."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dispatcher.core.scheduling.plan import Capacity


@dataclass(frozen=True)
class TargetFacts:
    """A target as it answered last.

    Attributes:
        config: Its stored configuration.
        present: What of it answers now; None while nothing does.
        whole: All its nodes, those included that went away a while ago and may come back. What is
            larger can never run there; what is larger than what is present waits.
    """

    config: Mapping[str, Any]
    present: Capacity | None
    whole: Capacity | None
