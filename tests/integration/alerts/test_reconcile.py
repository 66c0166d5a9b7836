"""Dead letters that Faust skips are saved once, also of a recreated topic; a consumer that delivers nothing is replaced."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts import reconcile
from services.alerts.app import application
from services.alerts.reconcile import STALLED_LOOKS, Reconciler
from shared.contract.topics import DEAD_LETTERS
from shared.runtime import kafka
from shared.runtime.kafka.consumer import StalledError
from shared.runtime.kafka.topics import create_topics
from shared.runtime.postgres.database import connect
from shared.settings import Settings, load
from tests.support import system
from tests.support.alerts import dead_letter_store
from tests.support.stacks import Stack
from tests.support.topics import raw_producer

SECONDS = 60.0


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
async def reconciler(settings: Settings, engine: AsyncEngine) -> AsyncIterator[Reconciler]:
    """The only process that saves the records of the topic."""
    async with dead_letter_store(settings.database_url("alerts")) as store:
        yield Reconciler(settings, engine, store)


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


@pytest_asyncio.fixture
async def arriving(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Dead letters keep arriving, and are looked for all the time."""
    monkeypatch.setattr(reconcile, "EVERY_SECONDS", 0.1)
    publishing = asyncio.create_task(publish(settings, *map(str, range(10**6))))
    yield
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)


@pytest.mark.usefixtures("arriving")
async def test_a_consumer_that_delivers_nothing_is_replaced(reconciler: Reconciler, engine: AsyncEngine) -> None:
    with pytest.raises(StalledError, match="Faust read no dead letters"):
        async with asyncio.timeout(SECONDS):
            await reconciler.run()
    assert await count(engine, "count(*) FROM arrivals") > STALLED_LOOKS


@pytest.mark.usefixtures("arriving")
async def test_a_consumer_that_makes_progress_is_not_replaced(
    reconciler: Reconciler, settings: Settings, engine: AsyncEngine
) -> None:
    async with dead_letter_store(settings.database_url("alerts")) as store:
        group = application(settings, store).conf.id
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
