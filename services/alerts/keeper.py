"""Keeps what failed: one commit for each dead letter, whichever way and however often it comes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.alerts.failures import Arrival, read
from services.alerts.model import Alert, Failure
from services.alerts.reactions import keep
from services.alerts.tables import ALERTS, LETTERS
from shared.contract.envelope import Envelope, message_id, write
from shared.contract.message import Message
from shared.contract.topics import events_topic
from shared.runtime import outbox
from shared.runtime.database import is_away, is_conflict
from shared.runtime.inputs import without_failure
from shared.runtime.records import Outgoing, pack
from shared.runtime.store import ConflictError, Loaded, Store

log = logging.getLogger(__name__)
BACKOFF_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)
SOURCE: Final = "/quadrille/alerts"
A = TypeVar("A")

_ARRIVED: Final = text(
    'INSERT INTO arrivals (partition, "offset", timestamp, letter_id) VALUES (:partition, :offset, :timestamp, :letter_id)'
    " ON CONFLICT DO NOTHING RETURNING at"
)
_RECORD: Final = text(
    "INSERT INTO dead_records (letter_id, version, key, value, headers) VALUES (:letter_id, 1, :key, :value, :headers)"
    " ON CONFLICT DO NOTHING"
)
_NOW: Final = text("SELECT now()")


class Keeper:
    """Writes to alerts' database. A database that is away is waited for: nothing is skipped.

    ``lane_of`` gives the lane of a Kafka key; ``news`` is called after every commit that has something to say.
    """

    def __init__(
        self, engine: AsyncEngine, lane_of: Callable[[str], int], news: Callable[[], None], topic_prefix: str = ""
    ) -> None:
        self._engine, self._lane_of, self._news, self._topic_prefix = engine, lane_of, news, topic_prefix

    async def keep(self, arrival: Arrival) -> None:
        """Keep a dead letter and open its alert, or count it seen once more. Returns when that is committed."""
        arrived = read(arrival, self._topic_prefix)

        async def write_down(connection: AsyncConnection) -> Sequence[Message]:
            place = {"partition": arrival.partition, "offset": arrival.offset, "timestamp": arrival.timestamp}
            new = (await connection.execute(_ARRIVED, {**place, "letter_id": arrived.letter_id})).first()
            if not new:
                return []
            letter = await _load(LETTERS, connection, arrived.letter_id)
            alert = await _load(ALERTS, connection, arrived.alert_id)
            events = list(keep(letter.aggregate, arrived, {arrived.alert_id: alert.aggregate}, new.at))
            await LETTERS.save(connection, [letter], self._lane_of)
            await ALERTS.save(connection, [alert], self._lane_of)
            packed = pack(without_failure(arrival.headers))
            values = {"letter_id": arrived.letter_id, "key": arrival.key, "value": arrival.value, "headers": packed}
            await connection.execute(_RECORD, values)
            await self._say(connection, events, _cause(arrival), new.at)
            return events

        await self._commit(write_down)

    async def report(self, failure: Failure) -> None:
        """Open an alert, or count it seen once more. Returns when that is committed."""

        async def write_down(connection: AsyncConnection) -> Sequence[Message]:
            now = (await connection.execute(_NOW)).scalar_one()
            alert = await _load(ALERTS, connection, failure.alert_id)
            if alert.aggregate.knows(failure):
                return []
            events = _some(alert.aggregate.report(failure, now))
            return await self._save(connection, alert, events, now)

        await self._commit(write_down)

    async def settle(self, alert_id: str, by: str, why: str) -> None:
        """What an alert is about is over: it closes. One that is not open stays as it is."""

        async def write_down(connection: AsyncConnection) -> Sequence[Message]:
            now = (await connection.execute(_NOW)).scalar_one()
            alert = await _load(ALERTS, connection, alert_id)
            return await self._save(connection, alert, _some(alert.aggregate.resolve(by, why, now)), now)

        await self._commit(write_down)

    async def _save(
        self, connection: AsyncConnection, alert: Loaded[Alert], events: Sequence[Message], now: datetime
    ) -> Sequence[Message]:
        await ALERTS.save(connection, [alert], self._lane_of)
        name = f"{alert.aggregate.alert_id}/{now.isoformat()}"
        await self._say(connection, events, Envelope(name, SOURCE, "", alert.aggregate.alert_id, name), now)
        return events

    async def _say(self, connection: AsyncConnection, events: Sequence[Message], cause: Envelope, now: datetime) -> None:
        """Put events into the outbox, in this very commit."""
        records = []
        for index, event in enumerate(events):
            envelope = Envelope(
                id=message_id("alerts", f"{cause.source}\n{cause.id}", index),
                source=SOURCE,
                type=event.type_name(),
                key=event.key,
                correlation_id=cause.correlation_id,
                causation_id=cause.causation_id,
            )
            headers, value = write(envelope, event, now)
            lane, topic = self._lane_of(event.key), event.topic or events_topic("alerts")
            records.append(Outgoing(lane, topic, event.key.encode(), value, headers))
        if records:
            await outbox.insert(connection, records)

    async def _commit(self, write_down: Callable[[AsyncConnection], Awaitable[Sequence[Message]]]) -> None:
        attempt = 0
        while True:
            try:
                async with self._engine.begin() as connection:
                    said = await write_down(connection)
            except (ConflictError, SQLAlchemyError, OSError, TimeoutError) as error:
                if isinstance(error, ConflictError) or is_conflict(error):
                    await asyncio.sleep(0)
                    continue
                if not is_away(error):
                    raise
                wait = BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)]
                attempt += 1
                log.warning("alerts wait for the database: %r; again in %.1f s", error, wait)
                await asyncio.sleep(wait)
            else:
                if said:
                    self._news()
                return


def _some(*events: Message | None) -> list[Message]:
    return [event for event in events if event is not None]


def _cause(arrival: Arrival) -> Envelope:
    """The envelope of what failed, as far as it can be told: what alerts says belongs to its story."""
    place = f"{arrival.partition}/{arrival.offset}/{arrival.timestamp}"
    named = arrival.text("ce_id")
    correlation = arrival.text("ce_correlationid") or named or place
    return Envelope(place, SOURCE, "", "", correlation, causation_id=named or None)


async def _load(store: Store[A], connection: AsyncConnection, aggregate_id: str) -> Loaded[A]:
    found = await store.load(connection, [aggregate_id], lock=True)
    return found.get(aggregate_id) or store.blank(aggregate_id)
