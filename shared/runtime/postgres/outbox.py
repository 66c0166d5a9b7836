"""What leaves a service: rows of one commit, until the broker has acknowledged them."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from shared.contract.dead_letter import ERRORS
from shared.contract.when import moment
from shared.runtime.database import Backlog, OutboxRow
from shared.runtime.postgres.session import Session
from shared.runtime.records import Outgoing, pack, unpack

COLUMNS: Final = ("int[]", "int[]", "text[]", "bytea[]", "bytea[]", "bytea[]")
"""The types of :func:`columns`."""
INSERT: Final = "INSERT INTO outbox (home, partition, topic, key, value, headers) SELECT * FROM unnest({}) RETURNING id"
_INSERT: Final = INSERT.format(", ".join(f"${n}::{kind}" for n, kind in enumerate(COLUMNS, 1)))
_PENDING: Final = (
    "SELECT id, home, partition, topic, key, value, headers, found FROM ("
    " SELECT *, count(*) OVER () AS found, sum(octet_length(coalesce(value, '')) + octet_length(headers))"
    "  OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM ("
    "   SELECT id, home, partition, topic, key, value, headers FROM outbox"
    "   WHERE home = ANY($1::int[]) AND quarantined IS NULL AND id <> ALL($2::bigint[]) AND topic <> ALL($3::text[])"
    "   ORDER BY id LIMIT $4::int"
    "  ) AS first) AS summed WHERE coalesce(before, 0) < $5::bigint ORDER BY id"
)
_FIRST: Final = (
    "SELECT id, home, partition, topic, key, value, headers FROM outbox WHERE home = ANY($1::int[]) AND quarantined IS NULL"
    " AND id <> ALL($2::bigint[]) AND topic = $3 ORDER BY id LIMIT 1"
)
_DELETE: Final = (
    "DELETE FROM outbox USING (SELECT set_config('synchronous_commit', 'off', true)) AS lazily WHERE id = ANY($1::bigint[])"
)
_QUARANTINE: Final = "UPDATE outbox SET quarantined = $2 WHERE id = $1"
_BACKLOG: Final = (
    "SELECT clock_timestamp() AS now, depth, quarantined, (SELECT headers FROM outbox WHERE id = first) AS headers FROM ("
    " SELECT count(*) FILTER (WHERE quarantined IS NULL) AS depth, count(quarantined) AS quarantined,"
    " min(id) FILTER (WHERE quarantined IS NULL) AS first FROM outbox) AS waiting"
)


def columns(records: Sequence[Outgoing]) -> tuple[list[Any], ...]:
    """Records as the columns of the outbox."""
    return (
        [r.sent_by for r in records],
        [r.partition for r in records],
        [r.topic for r in records],
        [r.key for r in records],
        [r.value for r in records],
        [pack(r.headers) for r in records],
    )


async def insert(session: Session, records: Sequence[Outgoing]) -> list[OutboxRow]:
    """Write records in their order and return them with their ids."""
    rows = await session.fetch(_INSERT, *columns(records))
    return [OutboxRow(row["id"], record) for row, record in zip(rows, records, strict=True)]


async def pending(
    session: Session,
    partitions: Iterable[int],
    known: Iterable[int],
    limit: int,
    limit_bytes: int,
    refusing: Iterable[str] = (),
) -> tuple[list[OutboxRow], bool]:
    """What is committed for these partitions and not in ``known``, in the order of ids; and whether there is more of it.

    No row is added to so many, or to so many bytes. Topics that are ``refusing`` are left out.
    """
    rows = await session.fetch(_PENDING, sorted(partitions), list(known), list(refusing), limit, limit_bytes)
    return [_row(r) for r in rows], bool(rows) and (rows[0]["found"] == limit or rows[0]["found"] > len(rows))


async def first(session: Session, partitions: Iterable[int], known: Iterable[int], topic: str) -> OutboxRow | None:
    """The row of a topic that was committed first for these partitions, and is not in ``known``."""
    rows = await session.fetch(_FIRST, sorted(partitions), list(known), topic)
    return _row(rows[0]) if rows else None


def _row(row: Any) -> OutboxRow:
    record = Outgoing(row["partition"], row["topic"], row["key"], row["value"], unpack(row["headers"]), row["home"])
    return OutboxRow(row["id"], record)


async def delete(session: Session, ids: Sequence[int]) -> None:
    """Forget rows the broker has acknowledged. Need not be durable: a row that comes back is sent twice, with one id."""
    await session.fetch(_DELETE, ids)


async def quarantine(session: Session, row_id: int, why: str) -> None:
    """Keep a row that cannot be sent, out of the way of the others."""
    await session.fetch(_QUARANTINE, row_id, why)


async def backlog(session: Session) -> Backlog:
    """What waits now, of all partitions; by the database's clock, as the records are dated."""
    (row,) = await session.fetch(_BACKLOG)
    headers = dict(unpack(row["headers"])) if row["headers"] else {}
    told = headers.get(f"{ERRORS}quadrille.failed_at") or headers.get("ce_time") or b""  # of a dead letter only ours counts
    written = moment(told.decode("utf-8", "replace"))
    age = max(0.0, (row["now"] - written).total_seconds()) if written else 0.0
    return Backlog(row["depth"], age, row["quarantined"])
