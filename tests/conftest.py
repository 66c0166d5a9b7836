"""One stack for the whole session; tests are kept apart by names."""

from collections.abc import Iterator

import pytest

from tests.support import stacks
from tests.support.stacks import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The broker and the database."""
    with stacks.start(stacks.chosen()) as started:
        yield started
