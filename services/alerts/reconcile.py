"""Reads again what Faust let slip: every offset of the dead-letter topic has a row, or is read once more.

Faust acknowledges an event even when the agent raised, and may commit over gaps. So the database, not the group's
offset, says what was handled. Who finds again and again what Faust should have taken ends the process: a consumer that
delivers nothing is seen by nobody else, and the next process has a new one.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
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
from shared.runtime.database import is_away
from shared.runtime.member import StalledError
from shared.settings import Settings
from shared.waiting import within

log = logging.getLogger(__name__)
EVERY_SECONDS: Final = 30.0
READ_SECONDS: Final = 20.0
STANDSTILL: Final = 3
"""Looks in a row that found letters in a partition of which the group had committed nothing since the look before."""

_MISSING: Final = text(
    "SELECT g.o AS first FROM generate_series(CAST(:start AS bigint), CAST(:end AS bigint) - 1) AS g(o)"
    ' WHERE NOT EXISTS (SELECT 1 FROM arrivals WHERE partition = :partition AND "offset" = g.o) ORDER BY g.o'
)
_PRUNE: Final = text('DELETE FROM arrivals WHERE partition = :partition AND "offset" < :start')
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


class Reconciler:
    """Compares the topic with the rows, at the start and every :data:`EVERY_SECONDS`."""

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
                log.warning("the dead letters cannot be reconciled now: %r", error)
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
        place = {"partition": tp.partition, "start": start}
        async with self._engine.begin() as connection:
            await connection.execute(_PRUNE, place)
            missing = {row.first for row in await connection.execute(_MISSING, {**place, "end": end})}
        found = 0
        if missing:
            consumer.seek(tp, min(missing))
            while missing and await consumer.position(tp) < end:
                batch = await within(READ_SECONDS, consumer.getmany(tp, timeout_ms=1_000))
                passed_over = [record for record in batch.get(tp, []) if record.offset in missing]
                missing.difference_update(record.offset for record in passed_over)
                found += await self._kept(passed_over)
        return found

    async def _kept(self, records: Sequence[Any]) -> int:
        """Keep records; returns how many. One that cannot be kept, for what it is, keeps no other from it."""
        try:
            await self._keeper.keep([_arrival(record) for record in records])
        except SQLAlchemyError as error:
            if is_away(error):
                raise
            log.exception("a dead letter cannot be kept")
            return 0
        return len(records)


def _arrival(record: Any) -> Arrival:
    return Arrival(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)
