"""The whole system once, and a shop for every test."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from devstack.demo.limits import LIMITS
from devstack.demo.shop import Shop
from shared.client import HEARD, CheckoutClient
from shared.contract.topics import DEAD_LETTERS
from shared.runtime.postgres.database import connect
from tests.support import stacks, system
from tests.support.system import System


@pytest.fixture(scope="package")
def quadrille(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Every service, with limits that tests can wait for, on an embedded stack of its own: another process has the other."""
    own = stacks.chosen() == "embedded"
    chosen = stacks.embedded("e2e") if own else contextlib.nullcontext(request.getfixturevalue("stack"))
    with chosen as stack, system.running(stack, tmp_path_factory.mktemp("system"), **LIMITS) as started:
        yield started


@pytest_asyncio.fixture(scope="package")
async def client(quadrille: System) -> AsyncIterator[CheckoutClient]:
    """One client, that sees all events."""
    async with CheckoutClient(quadrille.settings, topics=(*HEARD, DEAD_LETTERS)) as entered:
        yield entered


@pytest_asyncio.fixture(scope="package")
async def alerts(quadrille: System) -> AsyncIterator[AsyncEngine]:
    """The database of alerts."""
    engine = connect(quadrille.settings.database_url("alerts"))
    yield engine
    await engine.dispose()


@pytest.fixture
def shop(client: CheckoutClient, alerts: AsyncEngine) -> Shop:
    """A storefront with nothing in it."""
    return Shop(client, alerts)
