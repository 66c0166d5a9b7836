"""Dead letters that Faust does not take: they are kept all the same, and a consumer that delivers nothing is replaced."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts import reconcile
from services.alerts.keeper import Keeper
from services.alerts.reconcile import STANDSTILL, Reconciler
from shared.contract.topics import DEAD_LETTERS
from shared.runtime.database import connect
from shared.runtime.member import StalledError
from shared.settings import Settings, load
from tests.support import system
from tests.support.stacks import Stack
from tests.support.topics import raw_producer

SECONDS = 60.0


async def _publish(settings: Settings) -> None:
    async with raw_producer(settings) as producer:
        for n in count():
            await producer.send_and_wait(settings.topic(DEAD_LETTERS), b"garbage %d" % n, partition=0)


@pytest_asyncio.fixture
async def settings(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Settings]:
    """Topics nobody listens to, on which a dead letter comes all the time."""
    monkeypatch.setattr(reconcile, "EVERY_SECONDS", 0.1)
    made = load(await asyncio.to_thread(system.prepare, stack))
    publishing = asyncio.create_task(_publish(made))
    yield made
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)


@pytest_asyncio.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The database of alerts."""
    made = connect(settings.database_url("alerts"))
    yield made
    await made.dispose()


def _keeper(engine: AsyncEngine) -> Keeper:
    return Keeper(engine, lambda key: 0, lambda: None)


async def test_a_listener_that_receives_nothing_any_more_is_replaced(settings: Settings, engine: AsyncEngine) -> None:
    with pytest.raises(StalledError, match="Faust received none"):
        await asyncio.wait_for(Reconciler(settings, engine, _keeper(engine), lambda: 7).run(), SECONDS)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM arrivals"))).scalar_one() >= STANDSTILL


async def test_one_that_receives_letters_is_not_however_many_are_found(settings: Settings, engine: AsyncEngine) -> None:
    looked, numbers = asyncio.Event(), count()

    def received() -> int:
        number = next(numbers)
        if number > 6 * STANDSTILL:
            looked.set()
        return number

    running = asyncio.create_task(Reconciler(settings, engine, _keeper(engine), received).run())
    await asyncio.wait_for(looked.wait(), SECONDS)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
