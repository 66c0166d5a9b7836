"""What leaves a service: rows of one commit, until the broker has acknowledged them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Integer, LargeBinary, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger

from shared.contract.dead_letter import ERRORS
from shared.contract.when import moment
from shared.runtime.records import Outgoing, pack, unpack


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A record that is committed. Ids of one partition are in the order of the commits."""

    id: int
    record: Outgoing


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be published: how many records, the oldest for how many seconds, and how many are quarantined."""

    depth: int
    age: float
    quarantined: int


_INSERT: Final = text(
    "INSERT INTO outbox (partition, topic, key, value, headers)"
    " SELECT * FROM unnest(:partitions, :topics, :keys, :values, :headers) RETURNING id"
).bindparams(
    bindparam("partitions", type_=ARRAY(Integer)),
    bindparam("topics", type_=ARRAY(Text)),
    bindparam("keys", type_=ARRAY(LargeBinary)),
    bindparam("values", type_=ARRAY(LargeBinary)),
    bindparam("headers", type_=ARRAY(LargeBinary)),
)
_PENDING: Final = text(
    "SELECT id, partition, topic, key, value, headers, found FROM ("
    " SELECT *, count(*) OVER () AS found, sum(octet_length(coalesce(value, '')) + octet_length(headers))"
    "  OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM ("
    "   SELECT id, partition, topic, key, value, headers FROM outbox"
    "   WHERE partition = ANY(:partitions) AND quarantined IS NULL AND id <> ALL(:known) AND topic <> ALL(:refusing)"
    "   ORDER BY id LIMIT :limit"
    "  ) AS first) AS summed WHERE coalesce(before, 0) < :bytes ORDER BY id"
).bindparams(
    bindparam("partitions", type_=ARRAY(Integer)),
    bindparam("known", type_=ARRAY(BigInteger)),
    bindparam("refusing", type_=ARRAY(Text)),
)
_FIRST: Final = text(
    "SELECT id, partition, topic, key, value, headers FROM outbox"
    " WHERE partition = ANY(:partitions) AND quarantined IS NULL AND id <> ALL(:known) AND topic = :topic ORDER BY id LIMIT 1"
).bindparams(bindparam("partitions", type_=ARRAY(Integer)), bindparam("known", type_=ARRAY(BigInteger)))
_DELETE: Final = text("DELETE FROM outbox WHERE id = ANY(:ids)").bindparams(bindparam("ids", type_=ARRAY(BigInteger)))
_QUARANTINE: Final = text("UPDATE outbox SET quarantined = :why WHERE id = :id")
_BACKLOG: Final = text(
    "SELECT clock_timestamp() AS now, depth, quarantined, (SELECT headers FROM outbox WHERE id = first) AS headers FROM ("
    " SELECT count(*) FILTER (WHERE quarantined IS NULL) AS depth, count(quarantined) AS quarantined,"
    " min(id) FILTER (WHERE quarantined IS NULL) AS first FROM outbox) AS waiting"
)


async def insert(connection: AsyncConnection, records: Sequence[Outgoing]) -> list[OutboxRow]:
    """Write records in their order and return them with their ids."""
    inserted = await connection.execute(
        _INSERT,
        {
            "partitions": [r.partition for r in records],
            "topics": [r.topic for r in records],
            "keys": [r.key for r in records],
            "values": [r.value for r in records],
            "headers": [pack(r.headers) for r in records],
        },
    )
    return [OutboxRow(row.id, record) for row, record in zip(inserted, records, strict=True)]


async def pending(
    connection: AsyncConnection,
    partitions: Iterable[int],
    known: Iterable[int],
    limit: int,
    limit_bytes: int,
    refusing: Iterable[str] = (),
) -> tuple[list[OutboxRow], bool]:
    """What is committed for these partitions and not in ``known``, in the order of ids; and whether there is more of it.

    No row is added to so many, or to so many bytes. Topics that are ``refusing`` are left out.
    """
    wanted = {
        "partitions": sorted(partitions),
        "known": list(known),
        "limit": limit,
        "bytes": limit_bytes,
        "refusing": list(refusing),
    }
    rows = (await connection.execute(_PENDING, wanted)).all()
    found = [_row(r) for r in rows]
    return found, bool(rows) and (rows[0].found == limit or rows[0].found > len(rows))


async def first(connection: AsyncConnection, partitions: Iterable[int], known: Iterable[int], topic: str) -> OutboxRow | None:
    """The row of a topic that was committed first for these partitions, and is not in ``known``."""
    wanted = {"partitions": sorted(partitions), "known": list(known), "topic": topic}
    row = (await connection.execute(_FIRST, wanted)).one_or_none()
    return _row(row) if row else None


def _row(row: Any) -> OutboxRow:
    return OutboxRow(row.id, Outgoing(row.partition, row.topic, row.key, row.value, unpack(row.headers)))


async def delete(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Forget rows the broker has acknowledged. Need not be durable: a row that comes back is sent twice, with one id."""
    await connection.execute(text("SET LOCAL synchronous_commit = off"))
    await connection.execute(_DELETE, {"ids": list(ids)})


async def quarantine(connection: AsyncConnection, row_id: int, why: str) -> None:
    """Keep a row that cannot be sent, out of the way of the others."""
    await connection.execute(_QUARANTINE, {"id": row_id, "why": why})


async def backlog(connection: AsyncConnection) -> Backlog:
    """What waits now, of all partitions; by the database's clock, as the records are dated."""
    row = (await connection.execute(_BACKLOG)).one()
    headers = dict(unpack(row.headers)) if row.headers else {}
    told = headers.get(f"{ERRORS}quadrille.failed_at") or headers.get("ce_time") or b""  # of a dead letter only ours counts
    written = moment(told.decode("utf-8", "replace"))
    return Backlog(row.depth, max(0.0, (row.now - written).total_seconds()) if written else 0.0, row.quarantined)
