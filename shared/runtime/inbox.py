"""What a service has handled, by CloudEvents source and id: every message has one effect, however often it comes."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contract.topics import RETENTION, SEGMENT

KEPT: Final = RETENTION + SEGMENT + timedelta(days=1)
"""How long a message is remembered: longer than any topic keeps its record."""
FORGOTTEN_AT_ONCE: Final = 2_000
"""More than one turn of a service remembers, so that forgetting keeps up with any rate."""

_INSERT: Final = text(
    "INSERT INTO inbox (source, id) SELECT DISTINCT * FROM unnest(:sources, :ids) AS seen (source, id)"
    " ORDER BY source, id ON CONFLICT DO NOTHING RETURNING source, id"
).bindparams(bindparam("sources", type_=ARRAY(Text)), bindparam("ids", type_=ARRAY(Text)))
_PRUNE: Final = text(
    "DELETE FROM inbox WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM inbox WHERE seen_at < now() - CAST(:kept AS interval) LIMIT :limit FOR UPDATE SKIP LOCKED))"
)
"""By the rows' places, which nothing changes: by their keys, PostgreSQL would rather read the whole of a table of this size."""


async def insert(connection: AsyncConnection, seen: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
    """Remember these (source, id) pairs; returns those that are new."""
    rows = await connection.execute(_INSERT, {"sources": [s for s, _ in seen], "ids": [i for _, i in seen]})
    return {(row.source, row.id) for row in rows}


async def prune(connection: AsyncConnection) -> bool:
    """Forget some of the old ones; returns whether there may be more of them."""
    pruned = await connection.execute(_PRUNE, {"kept": KEPT, "limit": FORGOTTEN_AT_ONCE})
    return pruned.rowcount == FORGOTTEN_AT_ONCE
