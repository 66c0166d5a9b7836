"""Follows every topic of the contract: writes each batch to the journal, then commits its offsets.

It slows nobody down: it has its own group and database, large lazy fetches, bounded buffers and a low CPU priority. When it
falls behind it catches up, and reports its lag.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka.errors import KafkaError

from services.journal import migrations
from services.journal.entries import entry
from services.journal.writer import JournalWriter, cutoff
from shared.contract.envelope import Record
from shared.contract.topics import TOPICS
from shared.runtime import kafka
from shared.runtime.kafka.consumer import PartitionConsumer, StalledError
from shared.runtime.kafka.topics import check_topics
from shared.runtime.observability import health, metrics
from shared.runtime.observability.repeats import REPEATED
from shared.runtime.postgres import migrations as runtime_migrations
from shared.runtime.postgres.database import is_away, is_conflict
from shared.runtime.schedule import Schedule
from shared.settings import Settings
from shared.timeouts import run_with_timeout, wait_for_event

log = logging.getLogger(__name__)
NAME: Final = "journal"
BATCH: Final = 2_000
FETCH: Final[dict[str, Any]] = {"max_partition_fetch_bytes": 262_144, "fetch_min_bytes": 262_144, "fetch_max_wait_ms": 500}
"""The broker waits for larger batches, so that each is worth a commit; the bytes of a partition in memory are bounded."""
OFFSETS_SECONDS: Final = 1.0
LAG_SECONDS: Final = 2.0
PUBLISH_SECONDS: Final = 10.0
PRUNE_SECONDS: Final = 60.0
PRUNE_PAUSE_SECONDS: Final = 0.5


class Follower:
    """Keeps the journal current until it is stopped."""

    def __init__(self, settings: Settings, writer: JournalWriter) -> None:
        self._settings, self._writer = settings, writer
        self._busy = asyncio.Lock()
        self._schedule = Schedule("journal")
        self._consumer: PartitionConsumer | None = None
        self._heartbeat = health.Heartbeat()
        self._lag = 0

    def stop(self) -> None:
        """Finish the batch, commit the offsets, leave the group."""
        self._schedule.stopping.set()
        if self._consumer:
            self._consumer.ready.set()

    def state(self) -> dict[str, object]:
        """The answer of ``/readyz``. ``lag``: the number of unread records."""
        partitions = sorted(self._consumer.epochs) if self._consumer else []
        trouble = self._schedule.trouble or self._heartbeat.trouble
        return {"service": NAME, "ready": not trouble, "trouble": trouble, "partitions": partitions, "lag": self._lag}

    async def wait_for_database(self) -> None:
        """Wait for the database. Raises :class:`shared.runtime.postgres.migrations.MigrationsError` if its version differs."""
        await runtime_migrations.wait_for(self._settings.database_url(NAME), NAME, migrations, self._schedule)

    async def run(self) -> None:
        """Follow until stopped. Raises :class:`shared.runtime.kafka.TopicsError` if a topic is missing."""
        attempt, checked = 0, False
        while not self._schedule.stopping.is_set():
            started = time.monotonic()
            try:
                if not checked:
                    await check_topics(self._settings)
                    checked = True
                async with PartitionConsumer(NAME, self._settings, list(TOPICS), self._busy, BATCH, **FETCH) as consumer:
                    self._consumer = consumer
                    await self._follow(consumer)
            except (KafkaError, OSError, TimeoutError, StalledError) as error:
                attempt = 0 if time.monotonic() - started > 60 else attempt + 1
                await self._schedule.back_off(attempt, f"the broker cannot be read: {error!r}")
            finally:
                self._consumer = None

    async def _follow(self, consumer: PartitionConsumer) -> None:
        pending: list[Record] = []
        attempt = 0
        while not self._schedule.stopping.is_set():
            self._heartbeat.beat()
            try:
                await self._own(consumer)
                await self._report_lost(consumer)
                if self._schedule.trouble:
                    await self._writer.ping()
                    self._schedule.trouble = None
                pending = pending or await self._arrived(consumer)
                await self._write(consumer, pending)
                pending, attempt = [], 0
                await self._report_lag(consumer)
            except Exception as error:
                if not (is_away(error) or is_conflict(error)):
                    raise
                await self._schedule.back_off(attempt, f"the database is away: {error!r}")
                attempt += 1
            if self._schedule.due("offsets", OFFSETS_SECONDS):
                await consumer.commit_offsets()

    async def _own(self, consumer: PartitionConsumer) -> None:
        """Take over the assigned partitions. No epoch is needed: writing a record again writes the same entry."""
        partitions = await consumer.partitions()
        if partitions != consumer.epochs.keys():
            await consumer.seek_to_committed(partitions - consumer.epochs.keys(), known=await self._writer.known_partitions())
            consumer.epochs = dict.fromkeys(partitions, 0)
            metrics.partitions.labels(NAME).set(len(partitions))
            log.info("the journal follows the partitions %s", sorted(partitions))

    async def _report_lost(self, consumer: PartitionConsumer) -> None:
        """Publish a dead letter for records that were never read; alerts receives it. The journal publishes nothing else."""
        if not (lost := list(consumer.lost)):
            return
        try:
            producer = await kafka.new_producer(self._settings, NAME)
            try:
                for one in lost:
                    record = one.dead_letter(NAME, datetime.now(UTC))
                    where = {"partition": record.partition, "headers": list(record.headers)}
                    sending = producer.send_and_wait(self._settings.topic(record.topic), record.value, record.key, **where)
                    await run_with_timeout(PUBLISH_SECONDS, sending)
            finally:
                await kafka.stop(producer)
        except (OSError, TimeoutError) as error:
            raise StalledError(f"records that were never read cannot be reported: {error!r}") from error
        consumer.mark_reported(lost)

    async def _arrived(self, consumer: PartitionConsumer) -> list[Record]:
        await wait_for_event(consumer.ready, OFFSETS_SECONDS)
        consumer.ready.clear()
        return consumer.drain()

    async def _write(self, consumer: PartitionConsumer, records: Sequence[Record]) -> None:
        if not records:
            return
        started = time.perf_counter()
        async with self._busy:
            now = datetime.now(UTC)
            await self._writer.write([entry(record, now) for record in records])
            consumer.mark_processed(records)
        metrics.batch_seconds.labels(NAME).observe(time.perf_counter() - started)
        metrics.batch_size.labels(NAME).observe(len(records))

    async def _report_lag(self, consumer: PartitionConsumer) -> None:
        """Store the lag, unless a rebalance is running."""
        if not self._schedule.due("lag", LAG_SECONDS):
            return
        try:
            lags = await run_with_timeout(LAG_SECONDS, consumer.lag())
        except (KafkaError, TimeoutError):
            return
        self._lag = sum(lags.values())
        await self._writer.report_lag(lags)

    async def prune(self) -> None:
        """Prune entries that are older than ``journal_days``, in small steps, until cancelled."""
        while True:
            pruned = 0
            try:
                pruned = await self._writer.prune(cutoff(datetime.now(UTC), self._settings.journal_days))
            except Exception as error:
                log.warning("the journal cannot be pruned now: %r", error, extra=REPEATED)
            await asyncio.sleep(PRUNE_PAUSE_SECONDS if pruned else PRUNE_SECONDS)
