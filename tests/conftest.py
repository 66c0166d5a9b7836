"""One stack for a session, and one for its e2e tests; tests are kept apart by names. What needs no stack is tested beside."""

import os
from collections.abc import Iterator
from typing import Any, Final

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from shared.runtime.kafka import patches
from tests.support import stacks, temporary
from tests.support.stacks import Stack

UNIT: Final = "tests/unit"
E2E: Final = "tests/e2e"
INTEGRATION: Final = "the stack"
WITHOUT_THE_STACK: Final = (
    "tests/integration/chaos",
    "tests/integration/devstack",
    "tests/simulation",
    "tests/integration/sandbox",
    "tests/integration/reference/test_checkers.py",
    "tests/integration/reference/test_command.py",
)
"""Other tests that need no broker and no database, or start their own; what takes longest first."""

os.environ["PYTHON_DOTENV_DISABLED"] = "1"
"""What a developer has set in ``.env`` is not what is tested."""
patches.install()
"""Parts of services are tested in this process; that an import alone changes nothing is tested in others."""
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")
"""An example takes as long as a busy machine takes; what must be quick has tests that count what is done."""


pytest_configure = temporary.pytest_configure


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The broker and the database."""
    with stacks.start(stacks.chosen()) as started:
        yield started


class OneStack(LoadScopeScheduling):
    """Of several processes one has all tests of a stack, and one the unit tests; the others are given file by file.

    (xdist has groups for this. Its 3.8 does not find them with pytest 9.2.)
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)


def scope(nodeid: str) -> str:
    """The part of the tests that one process runs as a whole: a folder, all that share the stack, or a file."""
    file = nodeid.partition("::")[0]
    if file.startswith(UNIT):
        return UNIT
    if file.startswith(E2E) and stacks.chosen() == "embedded":
        return E2E
    return file if file.startswith(WITHOUT_THE_STACK) else INTEGRATION


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneStack:
    """Say who has which tests."""
    config.option.loadscopereorder = False
    return OneStack(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have what takes longest begin first, and tests that are marked as ``last`` come after all others of their scope."""
    parts = (INTEGRATION, UNIT, E2E, *WITHOUT_THE_STACK)

    def place(item: pytest.Item) -> tuple[int, bool]:
        found = scope(item.nodeid)
        at = next(n for n, part in enumerate(parts) if found.startswith(part))
        return at, item.get_closest_marker("last") is not None

    items.sort(key=place)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what tests have measured, with ``record_property``."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name}: {value}")
