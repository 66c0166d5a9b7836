"""Dead letters that Faust skips are saved all the same, and a consumer that delivers nothing is replaced."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts import reconcile
from services.alerts.app import application
from services.alerts.reconcile import STALLED_LOOKS, Reconciler
from services.alerts.store import DeadLetterStore
from shared.contract.topics import DEAD_LETTERS
from shared.runtime import kafka
from shared.runtime.kafka.consumer import StalledError
from shared.runtime.postgres.database import connect
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
    """Topics without a consumer, on which dead letters keep arriving."""
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


@pytest_asyncio.fixture
async def reconciler(settings: Settings, engine: AsyncEngine) -> Reconciler:
    """A reconciler that looks all the time."""
    return Reconciler(settings, engine, DeadLetterStore(engine, lambda key: 0, lambda: None))


async def kept(engine: AsyncEngine) -> int:
    """The number of saved dead letters."""
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM arrivals"))).scalar_one())


async def test_a_consumer_that_delivers_nothing_is_replaced(reconciler: Reconciler, engine: AsyncEngine) -> None:
    with pytest.raises(StalledError, match="Faust read no dead letters"):
        async with asyncio.timeout(SECONDS):
            await reconciler.run()
    assert await kept(engine) > STALLED_LOOKS


async def test_a_consumer_that_makes_progress_is_not_replaced(
    reconciler: Reconciler, settings: Settings, engine: AsyncEngine
) -> None:
    group = application(settings, DeadLetterStore(engine, lambda key: 0, lambda: None)).conf.id
    consumer = AIOKafkaConsumer(**settings.kafka_client(), group_id=group, enable_auto_commit=False)
    tp = TopicPartition(settings.topic(DEAD_LETTERS), 0)
    await kafka.start(consumer)
    consumer.assign([tp])
    for look in range(3 * STALLED_LOOKS):
        await consumer.commit({tp: look})
        found, deadline = 0, asyncio.get_running_loop().time() + SECONDS
        while not found:
            assert asyncio.get_running_loop().time() < deadline
            found = await reconciler.reconcile()
        assert max(reconciler._stalled.values()) < STALLED_LOOKS
    await kafka.stop(consumer)
