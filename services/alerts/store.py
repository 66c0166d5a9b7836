"""Writes dead letters and alerts to alerts' database. Each dead letter is saved once, however often it is read."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from sqlalchemy import BigInteger, Integer, LargeBinary, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.alerts.arrivals import Arrival, DeadLetterArrived, read
from services.alerts.model import Alert, Failure
from services.alerts.reactions import dead_letter_arrived
from services.alerts.tables import ALERTS, DEAD_LETTERS
from shared.contract.dead_letter import without_failure
from shared.contract.envelope import Envelope, message_id, write
from shared.contract.message import Message
from shared.contract.topics import events_topic, source_of
from shared.runtime.observability.repeats import REPEATED
from shared.runtime.postgres import outbox
from shared.runtime.postgres.database import is_away, is_conflict
from shared.runtime.postgres.store import ConflictError, Loaded, Store
from shared.runtime.records import Outgoing, pack, portions, size
from shared.timeouts import backoff

log = logging.getLogger(__name__)
LONGEST_WAIT: Final = 2.0
SOURCE: Final = source_of("alerts")
PORTION: Final = 200
"""Most dead letters of one commit."""
A = TypeVar("A")

_ARRIVED: Final = text(
    'INSERT INTO arrivals (partition, "offset", timestamp, dead_letter_id)'
    " SELECT * FROM unnest(:partitions, :offsets, :timestamps, :dead_letters)"
    ' ON CONFLICT DO NOTHING RETURNING partition, "offset" AS place, at'
).bindparams(
    bindparam("partitions", type_=ARRAY(Integer)),
    bindparam("offsets", type_=ARRAY(BigInteger)),
    bindparam("timestamps", type_=ARRAY(BigInteger)),
    bindparam("dead_letters", type_=ARRAY(Text)),
)
_RECORDS: Final = text(
    "INSERT INTO dead_records (dead_letter_id, version, key, value, headers)"
    " SELECT dead_letter_id, 1, key, value, headers FROM unnest(:dead_letters, :keys, :values, :headers)"
    " AS came (dead_letter_id, key, value, headers) ON CONFLICT DO NOTHING"
).bindparams(
    bindparam("dead_letters", type_=ARRAY(Text)),
    bindparam("keys", type_=ARRAY(LargeBinary)),
    bindparam("values", type_=ARRAY(LargeBinary)),
    bindparam("headers", type_=ARRAY(LargeBinary)),
)
_NOW: Final = text("SELECT now()")


class DeadLetterStore:
    """Writes to alerts' database, and waits while it is unreachable: nothing is skipped.

    ``partition_of`` returns the partition of a Kafka key. ``emitted`` is called after every commit that emits events.
    """

    def __init__(
        self, engine: AsyncEngine, partition_of: Callable[[str], int], emitted: Callable[[], None], topic_prefix: str = ""
    ) -> None:
        self._engine, self._partition_of, self._emitted, self._topic_prefix = engine, partition_of, emitted, topic_prefix

    async def save(self, arrivals: Sequence[Arrival]) -> None:
        """Save dead letters and open their alerts, or count them once more. Returns when everything is committed."""
        for portion in portions(arrivals, PORTION, size):
            try:
                await self._commit(partial(self._save, portion))
            except SQLAlchemyError:
                if len(portion) == 1:
                    raise
                await self._save_singly(portion)

    async def _save_singly(self, arrivals: Sequence[Arrival]) -> None:
        """Save each by itself, so that one that cannot be saved does not block the others. Raises the last error."""
        failed: SQLAlchemyError | None = None
        for arrival in arrivals:
            try:
                await self.save([arrival])
            except SQLAlchemyError as error:
                failed = error
        if failed:
            raise failed

    async def _save(self, arrivals: Sequence[Arrival], connection: AsyncConnection) -> bool:
        arrived = [(arrival, read(arrival, self._topic_prefix)) for arrival in arrivals]
        new = await _new(connection, arrived)
        news = [(arrival, what) for arrival, what in arrived if (arrival.partition, arrival.offset) in new]
        if not news:
            return False
        now = next(iter(new.values()))
        dead_letters = await _load(DEAD_LETTERS, connection, {what.dead_letter_id for _, what in news})
        alerts = await _load(ALERTS, connection, {what.alert_id for _, what in news})
        emitted: list[tuple[Envelope, Sequence[Message]]] = []
        for arrival, what in news:
            alert = {what.alert_id: alerts[what.alert_id].aggregate}
            events = list(dead_letter_arrived(dead_letters[what.dead_letter_id].aggregate, what, alert, now))
            emitted.append((_cause(arrival), events))
        await DEAD_LETTERS.save(connection, dead_letters.values(), self._partition_of)
        await ALERTS.save(connection, alerts.values(), self._partition_of)
        values = {
            "dead_letters": [what.dead_letter_id for _, what in news],
            "keys": [arrival.key for arrival, _ in news],
            "values": [arrival.value for arrival, _ in news],
            "headers": [pack(without_failure(arrival.headers)) for arrival, _ in news],
        }
        await connection.execute(_RECORDS, values)
        return await self._emit(connection, emitted, now)

    async def report(self, failure: Failure) -> None:
        """Open an alert, or count it once more. Returns when that is committed."""
        await self._change(failure.alert_id, lambda alert, now: None if alert.knows(failure) else alert.report(failure, now))

    async def resolve(self, alert_id: str, by: str, why: str) -> None:
        """Close an alert, if it is open. Returns when that is committed."""
        await self._change(alert_id, lambda alert, now: alert.resolve(by, why, now))

    async def _change(self, alert_id: str, decide: Callable[[Alert, datetime], Message | None]) -> None:
        async def write_change(connection: AsyncConnection) -> bool:
            now = (await connection.execute(_NOW)).scalar_one()
            (alert,) = (await _load(ALERTS, connection, {alert_id})).values()
            event = decide(alert.aggregate, now)
            await ALERTS.save(connection, [alert], self._partition_of)
            name = f"{alert_id}/{now.isoformat()}"
            return await self._emit(connection, [(Envelope(name, SOURCE, "", alert_id, name), [event] if event else [])], now)

        await self._commit(write_change)

    async def _emit(
        self, connection: AsyncConnection, emitted: Sequence[tuple[Envelope, Sequence[Message]]], now: datetime
    ) -> bool:
        """Put events into the outbox, in this transaction, each with its cause; returns whether there are any."""
        records = [self._record(cause, index, event, now) for cause, events in emitted for index, event in enumerate(events)]
        if records:
            await outbox.insert(connection, records)
        return bool(records)

    def _record(self, cause: Envelope, index: int, event: Message, now: datetime) -> Outgoing:
        envelope = Envelope(
            id=message_id("alerts", f"{cause.source}\n{cause.id}", index),
            source=SOURCE,
            type=event.type_name(),
            key=event.key,
            correlation_id=cause.correlation_id,
            causation_id=cause.causation_id,
        )
        headers, value = write(envelope, event, now)
        topic = event.topic or events_topic("alerts")
        return Outgoing(self._partition_of(event.key), topic, event.key.encode(), value, headers)

    async def _commit(self, work: Callable[[AsyncConnection], Awaitable[bool]]) -> None:
        """Run ``work`` in a transaction until it commits. ``work`` returns whether it emitted events."""
        attempt = 0
        while True:
            try:
                async with self._engine.begin() as connection:
                    emitted = await work(connection)
            except (ConflictError, SQLAlchemyError, OSError, TimeoutError) as error:
                if isinstance(error, ConflictError) or is_conflict(error):
                    await asyncio.sleep(0)
                    continue
                if not is_away(error):
                    raise
                wait = backoff(attempt, LONGEST_WAIT)
                attempt += 1
                log.warning("alerts cannot reach their database: %r; retry in %.1f s", error, wait, extra=REPEATED)
                await asyncio.sleep(wait)
            else:
                if emitted:
                    self._emitted()
                return


async def _new(
    connection: AsyncConnection, arrived: Sequence[tuple[Arrival, DeadLetterArrived]]
) -> dict[tuple[int, int], datetime]:
    """The records that were not saved before, by partition and offset, each with the time of this transaction."""
    values = {
        "partitions": [arrival.partition for arrival, _ in arrived],
        "offsets": [arrival.offset for arrival, _ in arrived],
        "timestamps": [arrival.timestamp for arrival, _ in arrived],
        "dead_letters": [what.dead_letter_id for _, what in arrived],
    }
    return {(row.partition, row.place): row.at for row in await connection.execute(_ARRIVED, values)}


def _cause(arrival: Arrival) -> Envelope:
    """The envelope of the failed record, as far as it can be read, so that events of alerts join its trace."""
    place = f"{arrival.partition}/{arrival.offset}/{arrival.timestamp}"
    named = arrival.text("ce_id")
    correlation = arrival.text("ce_correlationid") or named or place
    return Envelope(place, SOURCE, "", "", correlation, causation_id=named or None)


async def _load(store: Store[A], connection: AsyncConnection, ids: Iterable[str]) -> dict[str, Loaded[A]]:
    wanted = sorted(ids)
    found = await store.load(connection, wanted, lock=True)
    return {i: found.get(i) or store.blank(i) for i in wanted}
