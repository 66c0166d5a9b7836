"""The whole system once, and a shop for every test."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from shared.client import CheckoutClient
from tests.support import system
from tests.support.shop import Shop
from tests.support.stacks import Stack
from tests.support.system import System


@pytest.fixture(scope="session")
def quadrille(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Every service, on the stack of the session, with limits that tests can wait for."""
    with system.running(
        stack,
        tmp_path_factory.mktemp("system"),
        QUADRILLE_GATEWAY_TIMEOUT_SECONDS="2",
        QUADRILLE_PAYMENT_BACKOFF_SECONDS="0.1",
        QUADRILLE_PAYMENT_ATTEMPTS="4",
        QUADRILLE_RESERVATION_SECONDS="8",
    ) as started:
        yield started


@pytest_asyncio.fixture(scope="session")
async def client(quadrille: System) -> AsyncIterator[CheckoutClient]:
    """One client, that sees all events."""
    async with CheckoutClient(quadrille.settings) as entered:
        yield entered


@pytest.fixture
def shop(client: CheckoutClient) -> Shop:
    """A storefront with nothing in it."""
    return Shop(client)
