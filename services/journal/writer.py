"""Writes the journal: a batch of records is one commit of a few statements, and writing it again changes nothing.

Unique indices identify entries. Events update a checkout's row in any order. The row is read, updated and written under a
lock of the batch's partitions, because a former owner of a partition may still write.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Final

import orjson
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.journal import bulk, metrics, tables
from services.journal.model import MOVES, ORIGINALS, Checkout, Entry, Form, moves, update_checkouts
from shared.runtime.observability.logs import about
from shared.runtime.postgres.database import is_away, is_conflict

log = logging.getLogger(__name__)

_ENTRY: Final = [field.name for field in fields(Entry)]
_CHECKOUT: Final = [field.name for field in fields(Checkout)]
_ENTRY_SQL: Final = ", ".join("CAST(facts AS text) AS facts" if name == "facts" else f'"{name}"' for name in _ENTRY)
_FORMS: Final = ", ".join(f"'{form}'" for form in ORIGINALS)
_OVERWRITE: Final = "DO UPDATE SET " + ", ".join(f'"{name}" = excluded."{name}"' for name in _ENTRY)
_BY_ID: Final = f"(key, message_id, source) WHERE form IN ({_FORMS})"
_BY_PLACE: Final = f'(topic, partition, "offset", recorded_at) WHERE form NOT IN ({_FORMS})'

_INSERT: Final = bulk.insert(tables.entries, _ENTRY, "ON CONFLICT DO NOTHING")
_REWRITE_ORIGINALS: Final = bulk.insert(tables.entries, _ENTRY, f"ON CONFLICT {_BY_ID} {_OVERWRITE}")
_REWRITE_OTHERS: Final = bulk.insert(tables.entries, _ENTRY, f"ON CONFLICT {_BY_PLACE} {_OVERWRITE}")

_LOCK_PARTITIONS: Final = text(
    "SELECT pg_advisory_xact_lock(hashtext('quadrille.journal'), p) FROM unnest(CAST(:partitions AS integer[])) AS p"
)
_CHECKOUT_SQL: Final = ", ".join(f"CAST({n} AS text) AS {n}" if n in ("steps", "waits", "warnings") else n for n in _CHECKOUT)
_KNOWN: Final = text(
    f"SELECT {_CHECKOUT_SQL} FROM checkouts WHERE checkout_id = ANY(CAST(:ids AS text[])) ORDER BY checkout_id FOR UPDATE"
)
_WRITE: Final = bulk.insert(
    tables.checkouts,
    _CHECKOUT,
    f"ON CONFLICT (checkout_id) DO UPDATE SET {', '.join(f'{n} = excluded.{n}' for n in _CHECKOUT if n != 'checkout_id')}",
)

_LOCK: Final = text(
    "SELECT checkout_id, cart_id FROM checkouts WHERE checkout_id > :after ORDER BY checkout_id LIMIT :limit FOR UPDATE"
)
_MOVES: Final = text(
    f"SELECT {_ENTRY_SQL} FROM entries"
    " WHERE key = ANY(CAST(:carts AS text[])) AND checkout_id = ANY(CAST(:ids AS text[]))"
    " AND kind = ANY(CAST(:kinds AS text[])) AND form = 'message'"
)

_PRUNE_ENTRIES: Final = text(
    "DELETE FROM entries WHERE ctid = ANY(ARRAY(SELECT e.ctid FROM entries e WHERE e.recorded_at < :before AND NOT EXISTS"
    " (SELECT 1 FROM checkouts c WHERE c.cart_id = e.key AND (c.open OR c.moved_at >= :before))"
    " ORDER BY e.recorded_at LIMIT :limit))"
)
_PRUNE_CHECKOUTS: Final = text(
    "DELETE FROM checkouts WHERE checkout_id = ANY(ARRAY(SELECT checkout_id FROM checkouts c"
    " WHERE started_at < :before AND moved_at < :before AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.key = c.cart_id)"
    " ORDER BY started_at LIMIT :limit))"
)
_KNOWN_PARTITIONS: Final = text("SELECT partition FROM consumer_lag")
_REPORT_LAG: Final = text(
    "INSERT INTO consumer_lag (partition, lag, reported_at)"
    " SELECT p, lag, now() FROM unnest(CAST(:partitions AS integer[]), CAST(:lags AS bigint[])) AS r (p, lag)"
    " ORDER BY p ON CONFLICT (partition) DO UPDATE SET lag = excluded.lag, reported_at = excluded.reported_at"
)


class JournalWriter:
    """Writes to the journal's database, each batch atomically. Raises what the database raises."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def write(self, entries: Sequence[Entry], *, overwrite: bool = False) -> None:
        """Write entries and update their checkouts. ``overwrite``: replace entries that exist, as a rebuild does.

        An entry that the database refuses is written without its content; the others stay complete.
        """
        written: list[Checkout] = []
        before: dict[str, frozenset[str]] = {}
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_LOCK_PARTITIONS, {"partitions": sorted({entry.partition for entry in entries})})
                await _insert(connection, entries, overwrite=overwrite)
                if ids := sorted({entry.checkout_id for entry in entries if moves(entry) and entry.checkout_id}):
                    known = await _known(connection, ids)
                    before = {checkout_id: frozenset(checkout.steps) for checkout_id, checkout in known.items()}
                    written = update_checkouts(entries, known)
                    await _write(connection, written)
        except DBAPIError as error:
            if is_away(error) or is_conflict(error):
                raise
            await self._split(entries, error, overwrite=overwrite)
        else:
            metrics.observe(written, before)

    async def _split(self, entries: Sequence[Entry], error: DBAPIError, *, overwrite: bool) -> None:
        """Split a batch that is refused until the refused entry is alone."""
        if len(entries) > 1:
            half = len(entries) // 2
            await self.write(entries[:half], overwrite=overwrite)
            await self.write(entries[half:], overwrite=overwrite)
            return
        (refused,) = entries
        if refused.form is Form.UNREADABLE:
            raise error
        topic, partition, offset = refused.place
        what = about(topic=topic, partition=partition, offset=offset, checkout_id=refused.checkout_id)
        log.error("the database refuses a record; it is stored without its content", exc_info=error, extra=what)
        failure = {"failure": {"error": "the journal cannot store its content"}}
        bare = Entry(*refused.place, refused.recorded_at, refused.recorded_at, Form.UNREADABLE, "", facts=failure)
        await self.write([bare], overwrite=overwrite)

    async def recompute(self, after: str, limit: int = 500) -> str | None:
        """Recompute the next checkouts after an id from their entries. Returns the last id, ``None`` at the end."""
        async with self._engine.begin() as connection:
            locked = (await connection.execute(_LOCK, {"after": after, "limit": limit})).all()
            if not locked:
                return None
            wanted = {"carts": [r.cart_id for r in locked], "ids": [r.checkout_id for r in locked], "kinds": sorted(MOVES)}
            rows = (row._asdict() for row in await connection.execute(_MOVES, wanted))
            found = [Entry(**{**row, "form": Form(row["form"]), "facts": orjson.loads(row["facts"])}) for row in rows]
            if recomputed := update_checkouts(found):
                await _write(connection, recomputed)
            last: str = locked[-1].checkout_id
        return last

    async def ping(self) -> None:
        """Raise if the database does not answer."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def known_partitions(self) -> set[int]:
        """Return the partitions that were ever read."""
        async with self._engine.connect() as connection:
            return set((await connection.execute(_KNOWN_PARTITIONS)).scalars())

    async def report_lag(self, lags: Mapping[int, int]) -> None:
        """Store the number of unread records of each of these partitions."""
        async with self._engine.begin() as connection:
            await connection.execute(_REPORT_LAG, {"partitions": list(lags), "lags": list(lags.values())})

    async def prune(self, before: datetime, limit: int = 5_000) -> int:
        """Delete at most ``limit`` entries that are older than ``before``. Returns how many were deleted.

        All entries of a cart stay while a checkout of it is open or has moved since.
        """
        async with self._engine.begin() as connection:
            pruned = (await connection.execute(_PRUNE_ENTRIES, {"before": before, "limit": limit})).rowcount
            if pruned < limit:
                await connection.execute(_PRUNE_CHECKOUTS, {"before": before, "limit": limit})
        return pruned


async def _insert(connection: AsyncConnection, entries: Sequence[Entry], *, overwrite: bool) -> None:
    if not overwrite:
        await connection.execute(_INSERT, bulk.rows(tables.entries, _ENTRY, entries))
        return
    originals = {(e.key, e.message_id, e.source): e for e in reversed(entries) if e.form in ORIGINALS}
    others = {e.place: e for e in entries if e.form not in ORIGINALS}
    for statement, some in ((_REWRITE_ORIGINALS, originals), (_REWRITE_OTHERS, others)):
        if some:
            await connection.execute(statement, bulk.rows(tables.entries, _ENTRY, some.values()))


async def _known(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Checkout]:
    """The rows of these checkouts, locked until the commit."""
    rows = (row._asdict() for row in await connection.execute(_KNOWN, {"ids": ids}))
    return {
        row["checkout_id"]: Checkout(**{**row, "steps": orjson.loads(row["steps"]), "waits": None, "warnings": None})
        for row in rows
    }


async def _write(connection: AsyncConnection, found: Sequence[Checkout]) -> None:
    await connection.execute(_WRITE, bulk.rows(tables.checkouts, _CHECKOUT, found))


def cutoff(now: datetime, days: int) -> datetime:
    """The time before which entries are pruned."""
    return now - timedelta(days=days)
