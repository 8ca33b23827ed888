"""A desk for a module, and one of its own for tests that kill or stop things."""

from collections.abc import Iterator

import pytest

from tests.rigs.desk import Desk, desk


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk that the tests of a module share."""
    with desk(tmp_path_factory.mktemp("desk")) as made:
        yield made


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk of the test's own."""
    with desk(tmp_path_factory.mktemp("own")) as made:
        yield made
