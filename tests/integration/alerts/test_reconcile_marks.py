"""Offsets are compared once, and a recreated topic is read from its start."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.reconcile import Reconciler
from services.alerts.store import DeadLetterStore
from shared.contract.topics import DEAD_LETTERS
from shared.runtime import kafka
from shared.runtime.kafka.topics import create_topics
from shared.runtime.postgres.database import connect
from shared.settings import Settings, load
from tests.support import system
from tests.support.stacks import Stack
from tests.support.topics import raw_producer


@pytest_asyncio.fixture
async def settings(stack: Stack) -> Settings:
    """Topics without a consumer."""
    return load(await asyncio.to_thread(system.prepare, stack))


@pytest_asyncio.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The database of alerts."""
    made = connect(settings.database_url("alerts"))
    yield made
    await made.dispose()


@pytest_asyncio.fixture
async def reconciler(settings: Settings, engine: AsyncEngine) -> Reconciler:
    """The only process that saves the records of the topic."""
    return Reconciler(settings, engine, DeadLetterStore(engine, lambda key: 0, lambda: None))


async def publish(settings: Settings, *values: str) -> None:
    """Publish dead letters that none of our services wrote, to one partition."""
    async with raw_producer(settings) as producer:
        for value in values:
            await producer.send_and_wait(settings.topic(DEAD_LETTERS), value.encode(), partition=0)


async def count(engine: AsyncEngine, what: str) -> int:
    """A number from the database."""
    async with engine.connect() as connection:
        return int((await connection.execute(text(f"SELECT {what}"))).scalar_one())


async def mark(engine: AsyncEngine) -> int:
    """The offset up to which the partition is saved."""
    return await count(engine, "next_offset FROM reconciled WHERE partition = 0")


async def test_compared_offsets_are_not_compared_again(reconciler: Reconciler, settings: Settings, engine: AsyncEngine) -> None:
    await publish(settings, *"abcde")
    assert await reconciler.reconcile() == 5
    assert await mark(engine) == 5
    async with engine.begin() as connection:  # were they looked for, they would be found missing
        await connection.execute(text('DELETE FROM arrivals WHERE "offset" < 4'))
    assert await reconciler.reconcile() == 0
    await publish(settings, "f")
    assert await reconciler.reconcile() == 1
    assert await mark(engine) == 6


async def test_transaction_markers_are_not_missing_records(
    reconciler: Reconciler, settings: Settings, engine: AsyncEngine
) -> None:
    producer = AIOKafkaProducer(**settings.kafka_client(), transactional_id=settings.topic("tests"))
    await kafka.start(producer)
    for value in (b"a", b"b"):
        async with producer.transaction():
            await producer.send_and_wait(settings.topic(DEAD_LETTERS), value, partition=0)
    await kafka.stop(producer)
    assert await reconciler.reconcile() == 2
    assert await mark(engine) == 4
    await publish(settings, "c")
    assert await reconciler.reconcile() == 1
    assert await mark(engine) == 5


async def make_anew(settings: Settings) -> None:
    """Delete the topics and create them again."""
    admin = AIOKafkaAdminClient(**settings.kafka_client())
    await kafka.start(admin)
    name = settings.topic(DEAD_LETTERS)
    await admin.delete_topics([name])
    async with asyncio.timeout(30):
        while name in await admin.list_topics():
            pass
    await kafka.stop(admin)
    await create_topics(settings)


async def test_a_recreated_topic_is_read_from_its_start(
    reconciler: Reconciler, settings: Settings, engine: AsyncEngine
) -> None:
    await publish(settings, *"abcde")
    assert await reconciler.reconcile() == 5
    await make_anew(settings)
    assert await reconciler.reconcile() == 0, "nothing is on it yet"
    await publish(settings, "new 1", "new 2", "new 3")
    assert await reconciler.reconcile() == 3, "fewer than there were"
    assert await mark(engine) == 3
    await make_anew(settings)
    await publish(settings, *(f"newer {n}" for n in range(7)))
    assert await reconciler.reconcile() == 7, "more than there were"
    assert await mark(engine) == 7
    assert await count(engine, "count(*) FROM dead_letters") == 15
    assert await count(engine, "count(*) FROM arrivals") == 7, "those of topics that are gone are forgotten"
    assert await reconciler.reconcile() == 0
