"""Reads again what Faust skipped: every offset of the dead-letter topic has a row, or is read once more.

Faust acknowledges an event even when the agent raised, and may commit over gaps. So the database, not the offset of the
group, says what was handled. A mark per partition says up to which offset nothing is missing, so that only later offsets are
compared. A recreated topic, whose offsets start again, is recognised by the timestamps of its records.

If Faust skips dead letters again and again, its consumer no longer delivers. Nothing else notices that, so the process ends;
the next process has a new consumer.
"""

import asyncio
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.app import GROUP
from services.alerts.arrivals import Arrival
from services.alerts.store import DeadLetterStore
from shared.contract.text import counted
from shared.contract.topics import DEAD_LETTERS
from shared.runtime import kafka
from shared.runtime.kafka.consumer import StalledError
from shared.runtime.observability.repeats import REPEATED
from shared.runtime.postgres.database import is_away
from shared.settings import Settings
from shared.timeouts import run_with_timeout

log = logging.getLogger(__name__)
EVERY_SECONDS: Final = 30.0
READ_SECONDS: Final = 20.0
WINDOW: Final = 10_000
"""Offsets that are compared in one query."""
FAR: Final = 500
"""A longer run of saved records is skipped with a seek instead of read."""
STALLED_LOOKS: Final = 3
"""Looks in a row that found skipped dead letters in a partition where the group committed nothing in between."""

_MARK: Final = text("SELECT partition, next_offset, since, marked_at FROM reconciled WHERE partition = :partition")
_WRITE: Final = text(
    "INSERT INTO reconciled (partition, next_offset, since, marked_at) VALUES (:partition, :next_offset, :since, now())"
    " ON CONFLICT (partition) DO UPDATE SET next_offset = excluded.next_offset, since = excluded.since, marked_at = now()"
)
_ANCHOR: Final = text(
    'SELECT "offset" AS place, timestamp FROM arrivals WHERE partition = :partition AND timestamp >= :since'
    ' AND "offset" >= :start AND "offset" < :next_offset AND at <= :marked_at ORDER BY "offset" DESC LIMIT 1'
)
_MISSING: Final = text(
    "SELECT g.o AS place FROM generate_series(CAST(:low AS bigint), CAST(:high AS bigint) - 1) AS g(o)"
    ' WHERE NOT EXISTS (SELECT FROM arrivals WHERE partition = :partition AND "offset" = g.o AND timestamp >= :since)'
    " ORDER BY g.o"
)
_PRUNE: Final = text('DELETE FROM arrivals WHERE partition = :partition AND "offset" < :start')
_PRUNE_OLD_TOPIC: Final = text("DELETE FROM arrivals WHERE partition = :partition AND timestamp < :since")
_FORGET: Final = (
    text(
        "DELETE FROM dead_letters WHERE dead_letter_id IN (SELECT dead_letter_id FROM dead_letters"
        " WHERE state = 'resolved' AND last_failed_at < now() - CAST(:kept AS interval) LIMIT 1000)"
    ),
    text(
        "DELETE FROM alerts WHERE alert_id IN (SELECT alert_id FROM alerts"
        " WHERE state = 'resolved' AND resolved_at < now() - CAST(:kept AS interval) LIMIT 1000)"
    ),
)
KEPT: Final = timedelta(days=90)
"""How long resolved alerts and dead letters can be looked up; longer than the retention of the topic."""


@dataclass(frozen=True)
class Mark:
    """Every record of a partition below ``next_offset`` is saved. ``marked_at``: when that was recorded.

    ``since``: the timestamp of the topic's first record, which tells it from an earlier topic of that name.
    """

    partition: int
    next_offset: int = 0
    since: int = 0
    marked_at: datetime | None = None


class Reconciler:
    """Compares the topic with the rows, at the start and every :data:`EVERY_SECONDS`, from the last marks on."""

    def __init__(self, settings: Settings, engine: AsyncEngine, store: DeadLetterStore) -> None:
        self._settings, self._engine, self._store = settings, engine, store
        self._committed: dict[TopicPartition, int | None] = {}
        self._stalled: Counter[TopicPartition] = Counter()

    async def run(self) -> None:
        """Reconcile until cancelled. An outage of Kafka or the database is retried in the next round.

        Raises :class:`shared.runtime.kafka.consumer.StalledError` if Faust makes no progress in a partition with dead letters.
        """
        while True:
            try:
                if found := await self.reconcile():
                    log.warning("Faust had skipped %s; saved now", counted(found, "dead letter"))
            except (KafkaError, SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("cannot reconcile the dead letters: %r", error, extra=REPEATED)
            if any(looks >= STALLED_LOOKS for looks in self._stalled.values()):
                raise StalledError(f"Faust read no dead letters, though there were some {STALLED_LOOKS} times in a row")
            await asyncio.sleep(EVERY_SECONDS)

    async def reconcile(self) -> int:
        """Save every record without a row, and delete what was resolved long ago; returns how many were saved."""
        found = await self._find()
        async with self._engine.begin() as connection:
            for statement in _FORGET:
                await connection.execute(statement, {"kept": KEPT})
        return found

    async def _find(self) -> int:
        consumer = kafka.new_consumer(self._settings, GROUP, "alerts-reconciler")
        await kafka.start(consumer)
        try:
            topic = self._settings.topic(DEAD_LETTERS)
            partitions = [TopicPartition(topic, p) for p in range(self._settings.partitions)]
            consumer.assign(partitions)
            consumer.pause(*partitions)  # a partition without new records is not read
            starts = await run_with_timeout(READ_SECONDS, consumer.beginning_offsets(partitions))
            ends = await run_with_timeout(READ_SECONDS, consumer.end_offsets(partitions))
            return sum([await self._reconciled(consumer, p, starts[p], ends[p]) for p in partitions])
        finally:
            await kafka.stop(consumer)

    async def _reconciled(self, consumer: Any, tp: TopicPartition, start: int, end: int) -> int:
        """Save the records of a partition without a row, and record whether the group makes progress there."""
        found = await self._partition(consumer, tp, start, end)
        committed = await run_with_timeout(READ_SECONDS, consumer.committed(tp))
        stalled = found > 0 and tp in self._committed and committed == self._committed[tp]
        self._stalled[tp] = self._stalled[tp] + 1 if stalled else 0
        self._committed[tp] = committed
        return found

    async def _partition(self, consumer: Any, tp: TopicPartition, start: int, end: int) -> int:
        mark = await self._mark(tp.partition)
        if start == end or mark.next_offset == end:
            return 0
        consumer.resume(tp)
        try:
            if await self._is_recreated(consumer, tp, mark, start, end):
                mark = await self._start_again(consumer, tp, start, end)
            return await self._from(consumer, tp, mark, start, end)
        finally:
            consumer.pause(tp)

    async def _from(self, consumer: Any, tp: TopicPartition, mark: Mark, start: int, end: int) -> int:
        """Save what is missing after a mark, and move the mark up to the first record that cannot be saved."""
        found, moves = 0, True
        for low in range(max(mark.next_offset, start), end, WINDOW):
            high = min(low + WINDOW, end)
            kept, unkept = await self._read(consumer, tp, mark, await self._missing(mark, low, high))
            found += kept
            if moves:
                mark = replace(mark, next_offset=high if unkept is None else unkept)
                await self._write(mark, start)
            moves = moves and unkept is None
        return found

    async def _mark(self, partition: int) -> Mark:
        async with self._engine.connect() as connection:
            row = (await connection.execute(_MARK, {"partition": partition})).one_or_none()
        return Mark(*row) if row else Mark(partition)

    async def _write(self, mark: Mark, start: int) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(_WRITE, vars(mark))
            await connection.execute(_PRUNE, {"partition": mark.partition, "start": start})

    async def _is_recreated(self, consumer: Any, tp: TopicPartition, mark: Mark, start: int, end: int) -> bool:
        """Whether the topic was recreated since the mark: then the record at a known offset is another one."""
        if end < mark.next_offset:
            return True
        async with self._engine.connect() as connection:
            known = (await connection.execute(_ANCHOR, {**vars(mark), "start": start})).one_or_none()
        if known is None:
            return False
        record = await _record(consumer, tp, known.place, end)
        return record is None or (record.offset, record.timestamp) != (known.place, known.timestamp)

    async def _start_again(self, consumer: Any, tp: TopicPartition, start: int, end: int) -> Mark:
        """A new mark at the start of a recreated topic."""
        first = await _record(consumer, tp, start, end)
        mark = Mark(tp.partition, start, first.timestamp if first else 0)
        log.warning("%s/%d was recreated: reading its dead letters from the start", tp.topic, tp.partition)
        async with self._engine.begin() as connection:
            await connection.execute(_PRUNE_OLD_TOPIC, vars(mark))
        return mark

    async def _missing(self, mark: Mark, low: int, high: int) -> list[int]:
        """The offsets from ``low`` to below ``high`` that have no row."""
        async with self._engine.connect() as connection:
            return [row.place for row in await connection.execute(_MISSING, {**vars(mark), "low": low, "high": high})]

    async def _read(self, consumer: Any, tp: TopicPartition, mark: Mark, missing: list[int]) -> tuple[int, int | None]:
        """Read and save the records at these offsets; returns how many, and the first that cannot be saved."""
        found, unkept, wanted = 0, None, set(missing)
        if missing:
            consumer.seek(tp, missing[0])
        while missing and (position := await consumer.position(tp)) <= missing[-1]:
            if (following := missing[bisect_left(missing, position)]) > position + FAR:
                consumer.seek(tp, following)
            skipped = [record for record in await _some(consumer, tp) if record.offset in wanted]
            if skipped and not await self._saved(skipped):
                unkept = unkept or min(await self._missing(mark, skipped[0].offset, skipped[-1].offset + 1))
            found += len(skipped)
        return found, unkept

    async def _saved(self, records: Sequence[Any]) -> bool:
        """Save records; returns whether all were saved. One that cannot be saved does not block the others."""
        try:
            await self._store.save([_arrival(record) for record in records])
        except SQLAlchemyError as error:
            if is_away(error):
                raise
            log.exception("a dead letter cannot be saved")
            return False
        return True


async def _record(consumer: Any, tp: TopicPartition, offset: int, end: int) -> Any:
    """The first record at or after an offset; None if there is none before the end."""
    consumer.seek(tp, offset)
    while await consumer.position(tp) < end:
        for record in await _some(consumer, tp, 1):
            return record
    return None


async def _some(consumer: Any, tp: TopicPartition, most: int | None = None) -> Sequence[Any]:
    """The next records; none where there are only transaction markers. Raises ``TimeoutError`` if nothing arrives."""
    before = await consumer.position(tp)
    async with asyncio.timeout(READ_SECONDS):
        while True:
            batch = await consumer.getmany(tp, timeout_ms=1_000, max_records=most)
            if batch or await consumer.position(tp) != before:
                return list(batch.get(tp, []))


def _arrival(record: Any) -> Arrival:
    return Arrival(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)
