"""Topics and a journal for every test. It follows the topics only if the test starts it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from services.journal import queries
from services.journal.follower import Follower
from services.journal.model import Entry
from services.journal.writer import JournalWriter
from shared.contract.message import Message
from shared.runtime import kafka
from shared.runtime.postgres.database import connect
from shared.settings import Settings, load
from tests.support import system
from tests.support.stacks import Stack
from tests.support.topics import publish, raw_producer
from tests.support.waiting import until

SECONDS = 60.0
AT = datetime.now(UTC)
"""When what tests publish happened: shortly before it is published."""


@dataclass
class Journal:
    """The journal's topics and database."""

    environment: Mapping[str, str]
    settings: Settings
    engine: AsyncEngine
    db: asyncpg.Connection

    @property
    def writer(self) -> JournalWriter:
        """A writer to it."""
        return JournalWriter(self.engine)

    @contextlib.asynccontextmanager
    async def followed(self) -> AsyncIterator[Follower]:
        """A running member of the journal's group."""
        follower = Follower(self.settings, self.writer)
        running = asyncio.create_task(follower.run())
        try:
            yield follower
        finally:
            follower.stop()
            async with asyncio.timeout(SECONDS):
                await running

    async def publish(self, *messages: Message, ids: Sequence[str] = ()) -> list[str]:
        """Publish messages that happened at :data:`AT`, as a service's relay would; returns their ids."""
        return await publish(self.settings, *messages, ids=ids, at=AT)

    async def publish_bytes(self, topic: str, key: str, value: bytes | None) -> None:
        """Publish bytes that are no message."""
        async with raw_producer(self.settings) as producer:
            partition = kafka.partition_of(key, self.settings.partitions)
            await producer.send_and_wait(self.settings.topic(topic), value, key.encode(), partition=partition)

    async def entries(self, key: str) -> list[Entry]:
        """The entries of a cart or SKU."""
        return await queries.entries(self.db, key)

    async def until_kept(self, key: str, count: int) -> list[Entry]:
        """Wait until there are ``count`` entries of a cart or SKU. Fails if there are more, or too few in time."""

        def kept(found: list[Entry]) -> bool:
            assert len(found) <= count, f"{len(found)} entries of {key} and not {count}"
            return len(found) == count

        found: list[Entry] = await until(lambda: self.entries(key), f"{count} entries of {key}", SECONDS, good=kept)
        return found

    async def checkout(self, checkout_id: str) -> dict[str, Any]:
        """The row of a checkout."""
        return dict(await self.db.fetchrow("SELECT * FROM checkouts WHERE checkout_id = $1", checkout_id))

    async def has(self, table: str, count: int) -> bool:
        """Whether a table has at least ``count`` rows."""
        return await self.count(table) >= count

    async def count(self, table: str) -> int:
        """The rows of a table."""
        return int(await self.db.fetchval(f"SELECT count(*) FROM {table}"))

    async def all(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table, sorted."""
        return sorted((dict(row) for row in await self.db.fetch(f"SELECT * FROM {table}")), key=repr)


@contextlib.asynccontextmanager
async def opened(stack: Stack) -> AsyncIterator[Journal]:
    """A new journal."""
    environment = await asyncio.to_thread(system.prepare, stack)
    settings = load(environment)
    url = settings.database_url("journal")
    made = Journal(environment, settings, connect(url), await queries.connect(url))
    yield made
    await made.db.close()
    await made.engine.dispose()


@pytest_asyncio.fixture
async def journal(stack: Stack) -> AsyncIterator[Journal]:
    """New topics and a new database."""
    async with opened(stack) as made:
        yield made


@pytest_asyncio.fixture(scope="session")
async def unfollowed(stack: Stack) -> AsyncIterator[Journal]:
    """One journal for all tests that need no topics."""
    async with opened(stack) as made:
        yield made


@pytest_asyncio.fixture
async def shelf(unfollowed: Journal) -> Journal:
    """An empty journal without topics."""
    await unfollowed.db.execute("TRUNCATE entries, checkouts, consumer_lag")
    return unfollowed
