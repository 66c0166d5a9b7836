"""Writes dead letters and alerts to alerts' database. Each dead letter is saved once, however often it is read."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Final, TypeVar

from services.alerts.arrivals import Arrival, DeadLetterArrived, read
from services.alerts.model import Alert, Failure
from services.alerts.reactions import dead_letter_arrived
from services.alerts.tables import ALERTS, DEAD_LETTERS
from shared.contract.dead_letter import without_failure
from shared.contract.envelope import Envelope, message_id, write
from shared.contract.message import Message
from shared.contract.topics import events_topic, source_of
from shared.runtime.database import ConflictError, DatabaseAwayError, DatabaseError, Loaded
from shared.runtime.observability.repeats import REPEATED
from shared.runtime.postgres.port import PostgresDatabase, PostgresTransaction
from shared.runtime.postgres.store import Store
from shared.runtime.records import Outgoing, pack, portions, size
from shared.timeouts import backoff

log = logging.getLogger(__name__)
LONGEST_WAIT: Final = 2.0
SOURCE: Final = source_of("alerts")
PORTION: Final = 200
"""Most dead letters of one commit."""
A = TypeVar("A")

_ARRIVED: Final = (
    'INSERT INTO arrivals (partition, "offset", timestamp, dead_letter_id)'
    " SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::text[])"
    ' ON CONFLICT DO NOTHING RETURNING partition, "offset" AS place'
)
_RECORDS: Final = (
    "INSERT INTO dead_records (dead_letter_id, version, key, value, headers)"
    " SELECT dead_letter_id, 1, key, value, headers FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[])"
    " AS came (dead_letter_id, key, value, headers) ON CONFLICT DO NOTHING"
)


class DeadLetterStore:
    """Writes to alerts' database, and waits while it is unreachable: nothing is skipped.

    ``partition_of`` returns the partition of a Kafka key. ``emitted`` is called after every commit that emits events.
    """

    def __init__(
        self,
        database: PostgresDatabase,
        partition_of: Callable[[str], int],
        emitted: Callable[[], None],
        topic_prefix: str = "",
    ) -> None:
        self._database, self._partition_of, self._emitted, self._topic_prefix = database, partition_of, emitted, topic_prefix

    async def save(self, arrivals: Sequence[Arrival]) -> None:
        """Save dead letters and open their alerts, or count them once more. Returns when everything is committed."""
        for portion in portions(arrivals, PORTION, size):
            try:
                await self._commit(partial(self._save, portion))
            except DatabaseError:
                if len(portion) == 1:
                    raise
                await self._save_singly(portion)

    async def _save_singly(self, arrivals: Sequence[Arrival]) -> None:
        """Save each by itself, so that one that cannot be saved does not block the others. Raises the last error."""
        failed: DatabaseError | None = None
        for arrival in arrivals:
            try:
                await self.save([arrival])
            except DatabaseError as error:
                failed = error
        if failed:
            raise failed

    async def _save(self, arrivals: Sequence[Arrival], transaction: PostgresTransaction) -> bool:
        arrived = [(arrival, read(arrival, self._topic_prefix)) for arrival in arrivals]
        new = await _new(transaction, arrived)
        news = [(arrival, what) for arrival, what in arrived if (arrival.partition, arrival.offset) in new]
        if not news:
            return False
        now = await transaction.visit({self._partition_of(what.alert_id) for _, what in news})
        dead_letters = await _load(DEAD_LETTERS, transaction, {what.dead_letter_id for _, what in news})
        alerts = await _load(ALERTS, transaction, {what.alert_id for _, what in news})
        emitted: list[tuple[Envelope, Sequence[Message]]] = []
        for arrival, what in news:
            alert = {what.alert_id: alerts[what.alert_id].aggregate}
            events = list(dead_letter_arrived(dead_letters[what.dead_letter_id].aggregate, what, alert, now))
            emitted.append((_cause(arrival), events))
        await transaction.save(DEAD_LETTERS.changes(dead_letters.values(), self._partition_of))
        await transaction.save(ALERTS.changes(alerts.values(), self._partition_of))
        await transaction.session.fetch(
            _RECORDS,
            [what.dead_letter_id for _, what in news],
            [arrival.key for arrival, _ in news],
            [arrival.value for arrival, _ in news],
            [pack(without_failure(arrival.headers)) for arrival, _ in news],
        )
        return await self._emit(transaction, emitted, now)

    async def report(self, failure: Failure) -> None:
        """Open an alert, or count it once more. Returns when that is committed."""
        await self._change(failure.alert_id, lambda alert, now: None if alert.knows(failure) else alert.report(failure, now))

    async def resolve(self, alert_id: str, by: str, why: str) -> None:
        """Close an alert, if it is open. Returns when that is committed."""
        await self._change(alert_id, lambda alert, now: alert.resolve(by, why, now))

    async def _change(self, alert_id: str, decide: Callable[[Alert, datetime], Message | None]) -> None:
        async def write_change(transaction: PostgresTransaction) -> bool:
            now = await transaction.visit([self._partition_of(alert_id)])
            (alert,) = (await _load(ALERTS, transaction, {alert_id})).values()
            event = decide(alert.aggregate, now)
            await transaction.save(ALERTS.changes([alert], self._partition_of))
            name = f"{alert_id}/{now.isoformat()}"
            return await self._emit(transaction, [(Envelope(name, SOURCE, "", alert_id, name), [event] if event else [])], now)

        await self._commit(write_change)

    async def _emit(
        self, transaction: PostgresTransaction, emitted: Sequence[tuple[Envelope, Sequence[Message]]], now: datetime
    ) -> bool:
        """Put events into the outbox, in this transaction, each with its cause; returns whether there are any."""
        records = [self._record(cause, index, event, now) for cause, events in emitted for index, event in enumerate(events)]
        await transaction.send(records)
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

    async def _commit(self, work: Callable[[PostgresTransaction], Awaitable[bool]]) -> None:
        """Run ``work`` in a transaction until it commits. ``work`` returns whether it emitted events."""
        attempt = 0
        while True:
            try:
                async with self._database.transaction() as transaction:
                    emitted = await work(transaction)
            except ConflictError:
                await asyncio.sleep(0)
            except DatabaseAwayError as error:
                wait = backoff(attempt, LONGEST_WAIT)
                attempt += 1
                log.warning("alerts cannot reach their database: %r; retry in %.1f s", error, wait, extra=REPEATED)
                await asyncio.sleep(wait)
            else:
                if emitted:
                    self._emitted()
                return


async def _new(transaction: PostgresTransaction, arrived: Sequence[tuple[Arrival, DeadLetterArrived]]) -> set[tuple[int, int]]:
    """The records that were not saved before, by partition and offset."""
    rows = await transaction.session.fetch(
        _ARRIVED,
        [arrival.partition for arrival, _ in arrived],
        [arrival.offset for arrival, _ in arrived],
        [arrival.timestamp for arrival, _ in arrived],
        [what.dead_letter_id for _, what in arrived],
    )
    return {(row["partition"], row["place"]) for row in rows}


def _cause(arrival: Arrival) -> Envelope:
    """The envelope of the failed record, as far as it can be read, so that events of alerts join its trace."""
    place = f"{arrival.partition}/{arrival.offset}/{arrival.timestamp}"
    named = arrival.text("ce_id")
    correlation = arrival.text("ce_correlationid") or named or place
    return Envelope(place, SOURCE, "", "", correlation, causation_id=named or None)


async def _load(store: Store[A], transaction: PostgresTransaction, ids: Iterable[str]) -> dict[str, Loaded[A]]:
    wanted = sorted(ids)
    found = await transaction.load(store, wanted, lock=True)
    return {i: found.get(i) or store.blank(i) for i in wanted}
