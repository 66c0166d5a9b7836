"""Writes the journal: a batch of records is one commit of a few statements, and writing it again changes nothing.

Entries are told apart by the indices of their table. What a batch tells of a checkout is added to what was known of it,
whichever comes first. That is read, worked out and written under a lock of the batch's lanes, so that nothing of it is lost
to a former reader of a lane who does not know yet that it is one.
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

from services.journal import bulk, tables
from services.journal.model import ORIGINALS, Checkout, Entry, Form, checkouts, moves
from shared.progress import KINDS
from shared.runtime.observability.logs import about
from shared.runtime.postgres.database import is_away, is_conflict

log = logging.getLogger(__name__)

_ENTRY: Final = [field.name for field in fields(Entry)]
_CHECKOUT: Final = [field.name for field in fields(Checkout)]
_ENTRY_SQL: Final = ", ".join("CAST(facts AS text) AS facts" if name == "facts" else f'"{name}"' for name in _ENTRY)
_FORMS: Final = ", ".join(f"'{form}'" for form in ORIGINALS)
_ANEW: Final = "DO UPDATE SET " + ", ".join(f'"{name}" = excluded."{name}"' for name in _ENTRY)
_KNOWN_BY_ID: Final = f"(story, message_id, source) WHERE form IN ({_FORMS})"
_KNOWN_BY_PLACE: Final = f'(topic, partition, "offset", recorded_at) WHERE form NOT IN ({_FORMS})'

_INSERT: Final = bulk.insert(tables.entries, _ENTRY, "ON CONFLICT DO NOTHING")
_REWRITE_ORIGINALS: Final = bulk.insert(tables.entries, _ENTRY, f"ON CONFLICT {_KNOWN_BY_ID} {_ANEW}")
_REWRITE_OTHERS: Final = bulk.insert(tables.entries, _ENTRY, f"ON CONFLICT {_KNOWN_BY_PLACE} {_ANEW}")

_LOCK_LANES: Final = text(
    "SELECT pg_advisory_xact_lock(hashtext('quadrille.journal'), lane) FROM unnest(CAST(:lanes AS integer[])) AS lane"
)
_CHECKOUT_SQL: Final = ", ".join(f"CAST({n} AS text) AS {n}" if n in ("steps", "waits") else n for n in _CHECKOUT)
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
    " WHERE story = ANY(CAST(:carts AS text[])) AND checkout_id = ANY(CAST(:ids AS text[]))"
    " AND kind = ANY(CAST(:kinds AS text[])) AND form = 'message'"
)

_PRUNE_ENTRIES: Final = text(
    "DELETE FROM entries WHERE ctid = ANY(ARRAY(SELECT e.ctid FROM entries e WHERE e.recorded_at < :before AND NOT EXISTS"
    " (SELECT 1 FROM checkouts c WHERE c.cart_id = e.story AND (c.open OR c.moved_at >= :before))"
    " ORDER BY e.recorded_at LIMIT :limit))"
)
_PRUNE_CHECKOUTS: Final = text(
    "DELETE FROM checkouts WHERE checkout_id = ANY(ARRAY(SELECT checkout_id FROM checkouts c"
    " WHERE started_at < :before AND moved_at < :before AND NOT EXISTS (SELECT 1 FROM entries e WHERE e.story = c.cart_id)"
    " ORDER BY started_at LIMIT :limit))"
)
_READ_BEFORE: Final = text("SELECT lane FROM reading")
_READING: Final = text(
    "INSERT INTO reading (lane, behind, at)"
    " SELECT lane, behind, now() FROM unnest(CAST(:lanes AS integer[]), CAST(:behind AS bigint[])) AS r (lane, behind)"
    " ORDER BY lane ON CONFLICT (lane) DO UPDATE SET behind = excluded.behind, at = excluded.at"
)


class Keeper:
    """Keeps entries in the journal's database. Raises what the database raises; a batch is kept whole or not at all."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def keep(self, entries: Sequence[Entry], *, anew: bool = False) -> None:
        """Keep these entries. ``anew``: what is kept of them already is written again, as a rebuild wants it.

        An entry the database cannot take is kept without its content; the others as they are.
        """
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_LOCK_LANES, {"lanes": sorted({entry.partition for entry in entries})})
                await _insert(connection, entries, anew=anew)
                if ids := sorted({entry.checkout_id for entry in entries if moves(entry) and entry.checkout_id}):
                    await _write(connection, checkouts(entries, await _known(connection, ids)))
        except DBAPIError as error:
            if is_away(error) or is_conflict(error):
                raise
            await self._keep_apart(entries, error, anew=anew)

    async def _keep_apart(self, entries: Sequence[Entry], error: DBAPIError, *, anew: bool) -> None:
        """Split a batch that cannot be kept until the culprit is alone."""
        if len(entries) > 1:
            half = len(entries) // 2
            await self.keep(entries[:half], anew=anew)
            await self.keep(entries[half:], anew=anew)
            return
        (culprit,) = entries
        if culprit.form is Form.UNREADABLE:
            raise error
        topic, partition, offset = culprit.place
        what = about(topic=topic, partition=partition, offset=offset, checkout_id=culprit.checkout_id)
        log.error("a record is kept without its content", exc_info=error, extra=what)
        failure = {"failure": {"error": "the journal cannot keep its content"}}
        bare = Entry(*culprit.place, culprit.recorded_at, culprit.recorded_at, Form.UNREADABLE, "", facts=failure)
        await self.keep([bare], anew=anew)

    async def work_out(self, after: str, limit: int = 500) -> str | None:
        """Work out anew how far the checkouts with the next ids are, from the entries; returns the last of those ids."""
        async with self._engine.begin() as connection:
            locked = (await connection.execute(_LOCK, {"after": after, "limit": limit})).all()
            if not locked:
                return None
            wanted = {"carts": [r.cart_id for r in locked], "ids": [r.checkout_id for r in locked], "kinds": sorted(KINDS)}
            rows = (row._asdict() for row in await connection.execute(_MOVES, wanted))
            found = [Entry(**{**row, "form": Form(row["form"]), "facts": orjson.loads(row["facts"])}) for row in rows]
            if worked_out := checkouts(found):
                await _write(connection, worked_out)
            last: str = locked[-1].checkout_id
        return last

    async def answers(self) -> None:
        """Raises where the database is away."""
        async with self._engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def read_before(self) -> set[int]:
        """The lanes that were read at any time."""
        async with self._engine.connect() as connection:
            return set((await connection.execute(_READ_BEFORE)).scalars())

    async def note_reading(self, behind: Mapping[int, int]) -> None:
        """Note how many records of each of these lanes wait in Kafka."""
        async with self._engine.begin() as connection:
            await connection.execute(_READING, {"lanes": list(behind), "behind": list(behind.values())})

    async def prune(self, before: datetime, limit: int = 5_000) -> int:
        """Forget at most so many records of stories that ended before a moment; returns how many there were.

        A story goes as a whole: while a checkout of the cart is open, or moved since, all of it stays.
        """
        async with self._engine.begin() as connection:
            pruned = (await connection.execute(_PRUNE_ENTRIES, {"before": before, "limit": limit})).rowcount
            if pruned < limit:
                await connection.execute(_PRUNE_CHECKOUTS, {"before": before, "limit": limit})
        return pruned


async def _insert(connection: AsyncConnection, entries: Sequence[Entry], *, anew: bool) -> None:
    if not anew:
        await connection.execute(_INSERT, bulk.rows(tables.entries, _ENTRY, entries))
        return
    originals = {(e.story, e.message_id, e.source): e for e in reversed(entries) if e.form in ORIGINALS}
    others = {e.place: e for e in entries if e.form not in ORIGINALS}
    for statement, some in ((_REWRITE_ORIGINALS, originals), (_REWRITE_OTHERS, others)):
        if some:
            await connection.execute(statement, bulk.rows(tables.entries, _ENTRY, some.values()))


async def _known(connection: AsyncConnection, ids: Sequence[str]) -> dict[str, Checkout]:
    """What is known of these checkouts, locked until the commit."""
    rows = (row._asdict() for row in await connection.execute(_KNOWN, {"ids": ids}))
    return {row["checkout_id"]: Checkout(**{**row, "steps": orjson.loads(row["steps"]), "waits": None}) for row in rows}


async def _write(connection: AsyncConnection, found: Sequence[Checkout]) -> None:
    await connection.execute(_WRITE, bulk.rows(tables.checkouts, _CHECKOUT, found))


def cutoff(now: datetime, days: int) -> datetime:
    """The moment before which stories are forgotten."""
    return now - timedelta(days=days)
