"""The four dancers on the stack, and a storefront, for tests that look at what they tell."""

import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from devstack.demo.limits import LIMITS
from devstack.demo.shop import Shop
from shared.client import HEARD, CheckoutClient
from shared.contract.topics import DEAD_LETTERS
from shared.runtime.postgres.database import connect
from tests.support import services, system
from tests.support.stacks import Stack
from tests.support.system import System

DANCERS = ("cart", "inventory", "order", "payment")


@contextlib.contextmanager
def dancing(stack: Stack, logs: Path, settings: Mapping[str, str], names: tuple[str, ...] = DANCERS) -> Iterator[System]:
    """The services of a checkout, or those that are named, with these settings beside their usual ones."""
    with services.sandbox(logs) as gateway:
        environment = system.prepare(stack, **gateway, **LIMITS, **settings)
        with services.running(names, environment, logs) as started:
            yield System(environment, started)


@contextlib.asynccontextmanager
async def storefront(dancers: System) -> AsyncIterator[Shop]:
    """A shop on them."""
    alerts = connect(dancers.settings.database_url("alerts"))
    async with CheckoutClient(dancers.settings, topics=(*HEARD, DEAD_LETTERS)) as client:
        yield Shop(client, alerts)
    await alerts.dispose()
