"""Rebuilds the journal from the topics. The journal service may run meanwhile.

All records that the topics still have are read and written again; entries of older records stay. Then every checkout is
recomputed from its entries. Readers see no gap, and new records are written as usual.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka import TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.journal import migrations
from services.journal.entries import entry
from services.journal.writer import JournalWriter
from shared.contract.envelope import Record
from shared.contract.topics import TOPICS
from shared.errors import QuadrilleError
from shared.runtime import kafka
from shared.runtime.kafka.topics import check_topics
from shared.runtime.postgres.database import open_engine
from shared.runtime.postgres.migrations import check
from shared.settings import Settings
from shared.timeouts import run_with_timeout

BATCH: Final = 2_000
READ_SECONDS: Final = 20.0
_LOCK: Final = text("SELECT pg_try_advisory_lock(hashtext('quadrille.journal.rebuild'))")


class RebuildError(QuadrilleError):
    """The journal cannot be rebuilt now; the message says why."""


@dataclass(frozen=True)
class Rebuilt:
    """The number of records read, and of checkouts known after it."""

    records: int
    checkouts: int


async def rebuild(settings: Settings, progress: Callable[[int, int], None] = lambda done, of: None) -> Rebuilt:
    """Rebuild the journal. ``progress`` receives how many records are written, and of how many.

    Raises :class:`RebuildError` while another rebuild runs, ``MigrationsError`` if the database has another version,
    ``TopicsError`` if a topic is missing, and what the broker or the database raise.
    """
    url = settings.database_url("journal")
    await check(url, "journal", migrations)
    await check_topics(settings)
    async with open_engine(url, pool=2) as engine, engine.connect() as alone:
        await alone.execution_options(isolation_level="AUTOCOMMIT")
        if not (await alone.execute(_LOCK)).scalar():
            raise RebuildError("another rebuild of this journal is running; wait until it ends")
        writer = JournalWriter(engine)
        records = await _write_again(settings, writer, progress)
        last: str | None = ""
        while last is not None:
            last = await writer.recompute(last)
        return Rebuilt(records, await _count(engine))


async def _write_again(settings: Settings, writer: JournalWriter, progress: Callable[[int, int], None]) -> int:
    consumer = kafka.new_consumer(settings, None, "journal-rebuild", max_partition_fetch_bytes=1_048_576)
    await kafka.start(consumer)
    try:
        partitions = [TopicPartition(settings.topic(name), p) for name in TOPICS for p in range(settings.partitions)]
        consumer.assign(partitions)
        starts = await run_with_timeout(READ_SECONDS, consumer.beginning_offsets(partitions))
        ends = await run_with_timeout(READ_SECONDS, consumer.end_offsets(partitions))
        for tp, start in starts.items():
            consumer.seek(tp, start)
        expected, done = sum(ends[tp] - starts[tp] for tp in partitions), 0
        while await _unread(consumer, ends):
            batch = await consumer.getmany(timeout_ms=int(READ_SECONDS * 1000), max_records=BATCH)
            records = [_record(settings, r) for some in batch.values() for r in some]
            if not records and await _unread(consumer, ends):
                raise TimeoutError(f"unread records of {', '.join(sorted(await _unread(consumer, ends)))} do not arrive")
            now = datetime.now(UTC)
            if records:
                await writer.write([entry(record, now) for record in records], overwrite=True)
            done += len(records)
            progress(done, max(expected, done))
        return done
    finally:
        await kafka.stop(consumer)


async def _unread(consumer: Any, ends: dict[TopicPartition, int]) -> set[str]:
    """The topics that are not read to these ends. Partitions that are read are paused."""
    left = {tp for tp, end in ends.items() if tp not in consumer.paused() and await consumer.position(tp) < end}
    if finished := ends.keys() - left - consumer.paused():
        consumer.pause(*finished)
    return {tp.topic for tp in left}


async def _count(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM checkouts"))).scalar_one())


def _record(settings: Settings, r: Any) -> Record:
    topic = r.topic.removeprefix(settings.topic_prefix)
    return Record(topic, r.partition, r.offset, r.key, r.value, r.headers, r.timestamp)
