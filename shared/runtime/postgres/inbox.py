"""What a service has handled, by CloudEvents source and id: every message has one effect, however often it comes.

A digest of its content is kept with the id, so that another message under the same id is not taken for it.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

from shared.contract.topics import RETENTION, SEGMENT
from shared.runtime.database import Seen
from shared.runtime.postgres.session import Session

KEPT: Final = RETENTION + SEGMENT + timedelta(days=1)
"""How long a message is remembered: longer than any topic keeps its record."""
MAX_PRUNED: Final = 2_000
"""More than one round of a service remembers, so that forgetting keeps up with any rate."""

_INSERT: Final = (
    "INSERT INTO inbox (source, id, digest) SELECT DISTINCT ON (source, id) source, id, digest"
    " FROM unnest($1::text[], $2::text[], $3::bytea[]) WITH ORDINALITY AS seen (source, id, digest, place)"
    " ORDER BY source, id, place ON CONFLICT DO NOTHING RETURNING source, id"
)
_DIGESTS: Final = (
    "SELECT source, id, digest FROM inbox JOIN unnest($1::text[], $2::text[]) AS asked (source, id) USING (source, id)"
    " WHERE digest IS NOT NULL"
)
_PRUNE: Final = (
    "DELETE FROM inbox WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM inbox WHERE seen_at < now() - $1::interval LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING 1"
)
"""By the rows' places, which nothing changes: by their keys, PostgreSQL would rather read the whole of a table of this size."""


async def insert(session: Session, seen: Sequence[Seen]) -> set[tuple[str, str]]:
    """Remember these; returns the names of those that are new. Of several with one name the first counts."""
    rows = await session.fetch(_INSERT, [s.source for s in seen], [s.id for s in seen], [s.digest for s in seen])
    return {(row["source"], row["id"]) for row in rows}


async def digests(session: Session, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """The digests of these, by name. Those remembered by an older version have none."""
    rows = await session.fetch(_DIGESTS, [source for source, _ in names], [i for _, i in names])
    return {(row["source"], row["id"]): row["digest"] for row in rows}


async def prune(session: Session) -> bool:
    """Forget some of the old ones; returns whether there may be more of them."""
    return len(await session.fetch(_PRUNE, KEPT, MAX_PRUNED)) == MAX_PRUNED
