"""Keeps alerts: one commit for each dead letter, whichever way and however often it comes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.alerts.model import DeadLetter, Failure, compensation_identity, failure
from shared.runtime.database import is_away

log = logging.getLogger(__name__)
BACKOFF_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0)

_SEEN: Final = text(
    'INSERT INTO seen (topic, partition, "offset") VALUES (:topic, :partition, :offset) ON CONFLICT DO NOTHING RETURNING 1'
)
_OCCURRED: Final = text(
    "INSERT INTO occurrences (occurrence, identity) VALUES (:occurrence, :identity) ON CONFLICT DO NOTHING RETURNING 1"
)
_OPEN: Final = text(
    "INSERT INTO alerts (identity, kind, severity, title, text, service, checkout_id)"
    " VALUES (:identity, :kind, :severity, :title, :text, :service, :checkout_id)"
    " ON CONFLICT (identity) DO UPDATE SET times_seen = alerts.times_seen + 1, last_seen_at = now(),"
    " title = excluded.title, text = excluded.text, resolved_at = NULL,"
    " state = CASE alerts.state WHEN 'resolved' THEN 'open' ELSE alerts.state END"
    " RETURNING id, times_seen = 1 OR (SELECT state FROM alerts WHERE identity = :identity) = 'resolved' AS news"
)
_NOTIFY: Final = text("INSERT INTO notifications (alert_id) VALUES (:alert_id)")
_RESOLVE: Final = text(
    "UPDATE alerts SET state = 'resolved', resolved_at = now() WHERE identity = :identity AND state <> 'resolved'"
)
_OPEN_ALERTS: Final = text(
    "SELECT id, identity, state, kind, severity, title, text, service, checkout_id, times_seen, first_seen_at"
    " FROM alerts WHERE state <> 'resolved' ORDER BY id"
)


@dataclass(frozen=True)
class OpenAlert:
    """An alert nobody has dealt with yet."""

    id: int
    identity: str
    state: str
    kind: str
    severity: str
    title: str
    text: str
    service: str
    checkout_id: str | None
    times_seen: int
    first_seen_at: Any


class Keeper:
    """Writes to alerts' database. A database that is away is waited for: nothing is skipped.

    ``news`` is called after a commit that has something to notify of.
    """

    def __init__(self, engine: AsyncEngine, news: Callable[[], None]) -> None:
        self._engine, self._news = engine, news

    async def keep(self, letter: DeadLetter) -> None:
        """Open the alert of a dead letter, or count it seen once more. Returns when that is committed."""
        found = failure(letter)

        async def write(connection: AsyncConnection) -> bool:
            place = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
            if not (await connection.execute(_SEEN, place)).first():
                return False
            return await _open(connection, found)

        if await self._commit(write):
            self._news()

    async def report(self, letter: DeadLetter) -> None:
        """As :meth:`keep`, for a failed compensation heard of on payment's own topic."""
        if await self._commit(lambda connection: _open(connection, failure(letter))):
            self._news()

    async def settle(self, kind: str, checkout_id: str) -> None:
        """The money side is settled: the alert closes by itself."""

        async def write(connection: AsyncConnection) -> bool:
            await connection.execute(_RESOLVE, {"identity": compensation_identity(kind, checkout_id)})
            return False

        await self._commit(write)

    async def _commit(self, write: Callable[[AsyncConnection], Awaitable[bool]]) -> bool:
        attempt = 0
        while True:
            try:
                async with self._engine.begin() as connection:
                    return await write(connection)
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                if isinstance(error, SQLAlchemyError) and not is_away(error):
                    raise
                wait = BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)]
                attempt += 1
                log.warning("alerts wait for the database: %r; again in %.1f s", error, wait)
                await asyncio.sleep(wait)


async def _open(connection: AsyncConnection, found: Failure) -> bool:
    known = {"occurrence": found.occurrence, "identity": found.identity}
    if not (await connection.execute(_OCCURRED, known)).first():
        return False
    values = {
        "identity": found.identity,
        "kind": found.kind,
        "severity": found.severity,
        "title": found.title,
        "text": found.text,
        "service": found.service,
        "checkout_id": found.checkout_id,
    }
    row = (await connection.execute(_OPEN, values)).one()
    if row.news:
        await connection.execute(_NOTIFY, {"alert_id": row.id})
    return bool(row.news)


async def open_alerts(engine: AsyncEngine) -> list[OpenAlert]:
    """The alerts that are open or acknowledged, the oldest first."""
    async with engine.connect() as connection:
        return [OpenAlert(**row._mapping) for row in await connection.execute(_OPEN_ALERTS)]
