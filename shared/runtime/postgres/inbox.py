"""What a service has handled, by CloudEvents source and id: every message has one effect, however often it comes.

A digest of its content is kept with the id, so that another message under the same id is not taken for it.
"""

import hashlib
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import orjson
from sqlalchemy import LargeBinary, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contract.topics import RETENTION, SEGMENT

KEPT: Final = RETENTION + SEGMENT + timedelta(days=1)
"""How long a message is remembered: longer than any topic keeps its record."""
MAX_PRUNED: Final = 2_000
"""More than one round of a service remembers, so that forgetting keeps up with any rate."""

DIGEST_BYTES: Final = 8
"""Of the digest of a message's content: what nobody makes collide by accident, in few bytes a row."""

_INSERT: Final = text(
    "INSERT INTO inbox (source, id, digest) SELECT DISTINCT ON (source, id) source, id, digest"
    " FROM unnest(:sources, :ids, :digests) WITH ORDINALITY AS seen (source, id, digest, place)"
    " ORDER BY source, id, place ON CONFLICT DO NOTHING RETURNING source, id"
).bindparams(
    bindparam("sources", type_=ARRAY(Text)), bindparam("ids", type_=ARRAY(Text)), bindparam("digests", type_=ARRAY(LargeBinary))
)
_DIGESTS: Final = text(
    "SELECT source, id, digest FROM inbox JOIN unnest(:sources, :ids) AS asked (source, id) USING (source, id)"
    " WHERE digest IS NOT NULL"
).bindparams(bindparam("sources", type_=ARRAY(Text)), bindparam("ids", type_=ARRAY(Text)))
_PRUNE: Final = text(
    "DELETE FROM inbox WHERE ctid = ANY(ARRAY("
    "SELECT ctid FROM inbox WHERE seen_at < now() - CAST(:kept AS interval) LIMIT :limit FOR UPDATE SKIP LOCKED))"
)
"""By the rows' places, which nothing changes: by their keys, PostgreSQL would rather read the whole of a table of this size."""


class Seen(NamedTuple):
    """A message that was seen. ``digest``: of its content, where that is known."""

    source: str
    id: str
    digest: bytes | None = None

    @property
    def name(self) -> tuple[str, str]:
        """What it is known by."""
        return self.source, self.id


def digest(kind: str, body: bytes) -> bytes:
    """The digest of a message of this CloudEvents type.

    It covers every field as it was written, known here or not, so that it is the same before and after an upgrade. The order
    of the fields, spaces and escapes do not count: who writes the same again may encode it anew.
    """
    try:
        content = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        content = body  # such as a whole number of more than 64 bits
    return hashlib.blake2b(kind.encode() + b"\n" + content, digest_size=DIGEST_BYTES).digest()


async def insert(connection: AsyncConnection, seen: Sequence[Seen]) -> set[tuple[str, str]]:
    """Remember these; returns the names of those that are new. Of several with one name the first counts."""
    columns = {"sources": [s.source for s in seen], "ids": [s.id for s in seen], "digests": [s.digest for s in seen]}
    return {(row.source, row.id) for row in await connection.execute(_INSERT, columns)}


async def digests(connection: AsyncConnection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """The digests of these, by name. Those remembered by an older version have none."""
    columns = {"sources": [source for source, _ in names], "ids": [i for _, i in names]}
    return {(row.source, row.id): row.digest for row in await connection.execute(_DIGESTS, columns)}


async def prune(connection: AsyncConnection) -> bool:
    """Forget some of the old ones; returns whether there may be more of them."""
    pruned = await connection.execute(_PRUNE, {"kept": KEPT, "limit": MAX_PRUNED})
    return pruned.rowcount == MAX_PRUNED
