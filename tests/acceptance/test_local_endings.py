"""Every end gets the right verdict, with its evidence, through the whole service on `local`."""

import pytest

from tests.acceptance.endings import ENDINGS, Ending
from tests.acceptance.verdicts import check_ending
from tests.rigs.desk import Desk


@pytest.mark.parametrize("method", ["fresh", "fork"])
@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_an_end_gets_the_right_verdict(shared: Desk, ending: Ending, method: str) -> None:
    check_ending(shared, ending, "local", method)


def test_a_run_that_needs_more_memory_than_it_was_given_is_out_of_memory(shared: Desk) -> None:
    source = shared.source("oom", main="b = []\nwhile 1: b.append(bytearray(8 << 20))\n")
    run = shared.submit(source, target="local", memory_mb=64)
    details = run.wait_for_completion(raise_on_error=False, timeout=60)
    assert details["status"] == "Failed"
    assert "out of memory" in details["error"]["error"]["message"]
