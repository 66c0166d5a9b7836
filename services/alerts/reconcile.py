"""Reads again what Faust let slip: every offset of the dead-letter topic has a row, or is read once more.

Faust acknowledges an event even when the agent raised, and may commit over gaps. So the database, not the group's
offset, says what was handled. How far that is whole is noted for each partition, and only what came since is compared.
A topic that was made anew, whose offsets begin anew, is recognised by the timestamps of its records.

Who finds again and again what Faust should have taken ends the process: a consumer that delivers nothing is seen by nobody
else, and the next process has a new one.
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
from services.alerts.failures import Arrival
from services.alerts.keeper import Keeper
from shared.contract.topics import DEAD_LETTERS
from shared.runtime import kafka
from shared.runtime.member import StalledError
from shared.runtime.observability.repeats import REPEATED
from shared.runtime.postgres.database import is_away
from shared.settings import Settings
from shared.timeouts import within

log = logging.getLogger(__name__)
EVERY_SECONDS: Final = 30.0
READ_SECONDS: Final = 20.0
WINDOW: Final = 10_000
"""Offsets that are looked at together."""
FAR: Final = 500
"""Records that are rather jumped over than read."""
STANDSTILL: Final = 3
"""Looks in a row that found letters in a partition of which the group had committed nothing since the look before."""

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
        "DELETE FROM dead_letters WHERE letter_id IN (SELECT letter_id FROM dead_letters"
        " WHERE state = 'resolved' AND last_failed_at < now() - CAST(:kept AS interval) LIMIT 1000)"
    ),
    text(
        "DELETE FROM alerts WHERE alert_id IN (SELECT alert_id FROM alerts"
        " WHERE state = 'resolved' AND resolved_at < now() - CAST(:kept AS interval) LIMIT 1000)"
    ),
)
KEPT: Final = timedelta(days=90)
"""How long it can be looked up what became of a failure that is dealt with; longer than the topic keeps its record."""


@dataclass(frozen=True)
class Mark:
    """How far a partition is known to be kept: every record below ``next_offset``, and when that was noted.

    ``since``: the timestamp of the topic's first record, by which those of a topic of that name before it are told apart.
    """

    partition: int
    next_offset: int = 0
    since: int = 0
    marked_at: datetime | None = None


class Reconciler:
    """Compares the topic with the rows, at the start and every :data:`EVERY_SECONDS`, from where it got to before."""

    def __init__(self, settings: Settings, engine: AsyncEngine, keeper: Keeper) -> None:
        self._settings, self._engine, self._keeper = settings, engine, keeper
        self._committed: dict[TopicPartition, int | None] = {}
        self._standing: Counter[TopicPartition] = Counter()

    async def run(self) -> None:
        """Reconcile until cancelled; what is away is tried again at the next turn.

        Raises :class:`shared.runtime.member.StalledError` where Faust gets no further in a partition that has letters.
        """
        while True:
            try:
                if found := await self.reconcile():
                    log.warning("%d dead letters had been passed over and are kept now", found)
            except (KafkaError, SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("the dead letters cannot be reconciled now: %r", error, extra=REPEATED)
            if any(looks >= STANDSTILL for looks in self._standing.values()):
                raise StalledError(f"Faust took none of the dead letters that were found {STANDSTILL} times in a row")
            await asyncio.sleep(EVERY_SECONDS)

    async def reconcile(self) -> int:
        """Keep every record that has no row, and forget what is long over; returns how many records there were."""
        found = await self._find()
        async with self._engine.begin() as connection:
            for statement in _FORGET:
                await connection.execute(statement, {"kept": KEPT})
        return found

    async def _find(self) -> int:
        consumer = kafka.consumer(self._settings, GROUP, "alerts-reconciler")
        await kafka.start(consumer)
        try:
            topic = self._settings.topic(DEAD_LETTERS)
            partitions = [TopicPartition(topic, p) for p in range(self._settings.partitions)]
            consumer.assign(partitions)
            consumer.pause(*partitions)  # nothing is read of those that have nothing new
            starts = await within(READ_SECONDS, consumer.beginning_offsets(partitions))
            ends = await within(READ_SECONDS, consumer.end_offsets(partitions))
            return sum([await self._reconciled(consumer, p, starts[p], ends[p]) for p in partitions])
        finally:
            await kafka.stop(consumer)

    async def _reconciled(self, consumer: Any, tp: TopicPartition, start: int, end: int) -> int:
        """Keep what has no row in a partition, and note whether the group gets on there."""
        found = await self._partition(consumer, tp, start, end)
        committed = await within(READ_SECONDS, consumer.committed(tp))
        stands = found > 0 and tp in self._committed and committed == self._committed[tp]
        self._standing[tp] = self._standing[tp] + 1 if stands else 0
        self._committed[tp] = committed
        return found

    async def _partition(self, consumer: Any, tp: TopicPartition, start: int, end: int) -> int:
        mark = await self._mark(tp.partition)
        if start == end or mark.next_offset == end:
            return 0
        consumer.resume(tp)
        try:
            if await self._is_anew(consumer, tp, mark, start, end):
                mark = await self._begin_anew(consumer, tp, start, end)
            return await self._from(consumer, tp, mark, start, end)
        finally:
            consumer.pause(tp)

    async def _from(self, consumer: Any, tp: TopicPartition, mark: Mark, start: int, end: int) -> int:
        """Keep what is missing from a mark on, and move the mark up to the first record that cannot be kept."""
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

    async def _is_anew(self, consumer: Any, tp: TopicPartition, mark: Mark, start: int, end: int) -> bool:
        """Whether this is not the topic the mark is of: its offsets began anew, so the record we know is another."""
        if end < mark.next_offset:
            return True
        async with self._engine.connect() as connection:
            known = (await connection.execute(_ANCHOR, {**vars(mark), "start": start})).one_or_none()
        if known is None:
            return False
        record = await _record(consumer, tp, known.place, end)
        return record is None or (record.offset, record.timestamp) != (known.place, known.timestamp)

    async def _begin_anew(self, consumer: Any, tp: TopicPartition, start: int, end: int) -> Mark:
        """The mark of a topic of which nothing is known to be kept."""
        first = await _record(consumer, tp, start, end)
        mark = Mark(tp.partition, start, first.timestamp if first else 0)
        log.warning("%s/%d was made anew: its dead letters are read from its start", tp.topic, tp.partition)
        async with self._engine.begin() as connection:
            await connection.execute(_PRUNE_OLD_TOPIC, vars(mark))
        return mark

    async def _missing(self, mark: Mark, low: int, high: int) -> list[int]:
        """The offsets from ``low`` to below ``high`` that have no row."""
        async with self._engine.connect() as connection:
            return [row.place for row in await connection.execute(_MISSING, {**vars(mark), "low": low, "high": high})]

    async def _read(self, consumer: Any, tp: TopicPartition, mark: Mark, missing: list[int]) -> tuple[int, int | None]:
        """Read and keep these offsets, as far as they are records; returns how many, and the first that cannot be kept."""
        found, unkept, wanted = 0, None, set(missing)
        if missing:
            consumer.seek(tp, missing[0])
        while missing and (position := await consumer.position(tp)) <= missing[-1]:
            if (following := missing[bisect_left(missing, position)]) > position + FAR:
                consumer.seek(tp, following)
            passed_over = [record for record in await _some(consumer, tp) if record.offset in wanted]
            if passed_over and not await self._kept(passed_over):
                unkept = unkept or min(await self._missing(mark, passed_over[0].offset, passed_over[-1].offset + 1))
            found += len(passed_over)
        return found, unkept

    async def _kept(self, records: Sequence[Any]) -> bool:
        """Keep records; returns whether all are. One that cannot be kept, for what it is, keeps no other from it."""
        try:
            await self._keeper.keep([_arrival(record) for record in records])
        except SQLAlchemyError as error:
            if is_away(error):
                raise
            log.exception("a dead letter cannot be kept")
            return False
        return True


async def _record(consumer: Any, tp: TopicPartition, offset: int, end: int) -> Any:
    """The first record at an offset or behind it; nothing where none is up to the end."""
    consumer.seek(tp, offset)
    while await consumer.position(tp) < end:
        for record in await _some(consumer, tp, 1):
            return record
    return None


async def _some(consumer: Any, tp: TopicPartition, most: int | None = None) -> Sequence[Any]:
    """The next records; none where what stood there are marks of transactions. Raises ``TimeoutError`` where nothing comes."""
    before = await consumer.position(tp)
    async with asyncio.timeout(READ_SECONDS):
        while True:
            batch = await consumer.getmany(tp, timeout_ms=1_000, max_records=most)
            if batch or await consumer.position(tp) != before:
                return list(batch.get(tp, []))


def _arrival(record: Any) -> Arrival:
    return Arrival(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)
