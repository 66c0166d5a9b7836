"""Services on the stack, and a storefront, for tests of their logs and traces."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from devstack.demo.limits import LIMITS
from devstack.demo.shop import Shop
from shared.client import HEARD, CheckoutClient
from shared.contract.services import SERVICES
from shared.contract.topics import DEAD_LETTERS
from shared.runtime.postgres.database import connect
from tests.support import services, system
from tests.support.collector import Collector, collecting
from tests.support.stacks import Stack
from tests.support.system import System


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Where traces would be sent."""
    with collecting() as started:
        yield started


@contextlib.contextmanager
def running(stack: Stack, logs: Path, settings: Mapping[str, str], names: Sequence[str] = SERVICES) -> Iterator[System]:
    """The services of a checkout, or those that are named, with these settings beside their usual ones."""
    with services.sandbox(logs) as gateway:
        environment = system.prepare(stack, **gateway, **LIMITS, **settings)
        with services.running(names, environment, logs) as started:
            yield System(environment, started)


@contextlib.asynccontextmanager
async def storefront(quadrille: System) -> AsyncIterator[Shop]:
    """A shop on them."""
    alerts = connect(quadrille.settings.database_url("alerts"))
    async with CheckoutClient(quadrille.settings, topics=(*HEARD, DEAD_LETTERS)) as client:
        yield Shop(client, alerts)
    await alerts.dispose()
