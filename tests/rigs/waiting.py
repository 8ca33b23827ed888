"""Wait for a fact instead of for an amount of time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(look: Callable[[], T | None], what: str, timeout: float = 30.0, pause: float = 0.02) -> T:
    """Look again and again until the answer is truthy, and return it.

    Raises AssertionError naming `what` and the last answer when the time is up.
    """
    end = time.monotonic() + timeout
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout:g} s: {what} (last seen: {answer!r})")
        time.sleep(pause)
