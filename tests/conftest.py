"""One stack for the whole session; tests are kept apart by names. What needs no stack is tested beside."""

from collections.abc import Iterator, Sequence

import pytest

from tests.support import stacks
from tests.support.stacks import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The broker and the database."""
    with stacks.start(stacks.chosen()) as started:
        yield started


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Let one process have all tests that use the stack: there is one stack."""
    for item in items:
        if isinstance(item, pytest.Function) and "stack" in item.fixturenames:
            item.add_marker(pytest.mark.xdist_group("stack"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what tests have measured, with ``record_property``."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
