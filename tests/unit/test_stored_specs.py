"""Specs that were accepted under earlier limits stay readable."""

import pytest
from pydantic import ValidationError

from dispatcher.core.runs.spec import MAX_RUN_ID, RunSpec
from dispatcher.store.runs import specs


def test_a_stored_run_whose_id_is_longer_than_is_accepted_today_is_read() -> None:
    long = "x" * (MAX_RUN_ID + 20)
    text = specs.write(RunSpec.model_construct(id=long, experiment="e", command="true", target="t"))
    specs._known.clear()

    assert specs.read(text).id == long
    with pytest.raises(ValidationError, match="at most 230 characters"):
        RunSpec(id=long, experiment="e", command="true", target="t")
