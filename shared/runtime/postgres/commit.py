"""A batch as one statement that is its own transaction: it writes everything, or raises and writes nothing.

It locks the epochs, so that no other member takes a partition meanwhile. A count that is not what it should be raises: of
the messages, where one was handled before; of the aggregates, where one is not at the version it was loaded with.
"""

from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any, Final

from shared.runtime.database import Batch, OutboxRow, Receipt
from shared.runtime.postgres import outbox
from shared.runtime.postgres.session import FENCED, REPEATED, Session
from shared.runtime.postgres.store import Store

_OWNED: Final = (
    "owned AS MATERIALIZED (SELECT partition, epoch, visits FROM ownership"
    " WHERE partition = ANY($1::int[]) ORDER BY partition FOR SHARE)"
)
_SEEN: Final = (
    "seen AS (INSERT INTO inbox (source, id, digest) SELECT * FROM unnest({}::text[], {}::text[], {}::bytea[])"
    " ON CONFLICT DO NOTHING RETURNING 1)"
)


async def commit(session: Session, batch: Batch) -> tuple[Receipt, Any]:
    """Write a batch; returns its receipt and the database's clock. Raises asyncpg's error with what :func:`_check` says."""
    written = [made for made in batch.changes if made.rows]
    used = [made for made in batch.changes if any(one.version for one in made.same)]
    parameters: list[Any] = [sorted(batch.epochs), [epoch for _, epoch in sorted(batch.epochs.items())]]
    if batch.seen:
        parameters += [[s.source for s in batch.seen], [s.id for s in batch.seen], [s.digest for s in batch.seen]]
    for made in written:
        parameters += [f"[{b','.join(made.rows).decode()}]", len(made.rows)]
    for made in used:
        stored = [one for one in made.same if one.version]
        parameters += [[made.store.id_of(one.aggregate) for one in stored], [one.version for one in stored]]
    if batch.outgoing:
        parameters += outbox.columns(batch.outgoing)
    statement = _statement(
        tuple(made.store for made in written),
        tuple(made.store for made in used),
        seen=bool(batch.seen),
        sends=bool(batch.outgoing),
    )
    (row,) = await session.fetch(statement, *parameters)
    rows = [OutboxRow(i, record) for i, record in zip(row["ids"] or (), batch.outgoing, strict=True)]
    return Receipt(rows, dict(zip(sorted(batch.epochs), row["visits"], strict=True))), row["now"]


@cache
def _statement(written: Sequence[Store[Any]], used: Sequence[Store[Any]], *, seen: bool, sends: bool) -> str:
    numbers = count(3)
    parts = [_OWNED]
    checks = [_check("(SELECT array_agg(epoch ORDER BY partition) FROM owned)", "$2::bigint[]", FENCED)]
    if seen:
        sources = _parameter(numbers)
        parts.append(_SEEN.format(sources, _parameter(numbers), _parameter(numbers)))
        checks.append(_check("(SELECT count(*) FROM seen)", f"cardinality({sources}::text[])", REPEATED))
    for n, store in enumerate(written):
        parts.append(f"written{n} AS ({store.upsert(_parameter(numbers))})")
        checks.append(_check(f"(SELECT count(*) FROM written{n})", f"{_parameter(numbers)}::int", _changed(store)))
    for n, store in enumerate(used):
        ids = _parameter(numbers)
        parts.append(f"used{n} AS ({store.same(ids, _parameter(numbers))})")
        checks.append(_check(f"(SELECT count(*) FROM used{n})", f"cardinality({ids}::text[])", _changed(store)))
    if sends:
        types = ", ".join(f"{_parameter(numbers)}::{kind}" for kind in outbox.COLUMNS)
        parts.append(f"sent AS ({outbox.INSERT.format(types)})")
    ids = "(SELECT array_agg(id ORDER BY id) FROM sent)" if sends else "NULL"
    visits = "(SELECT array_agg(visits ORDER BY partition) FROM owned)"
    return (
        f"/* batch commit */ WITH {', '.join(parts)} SELECT CASE {' '.join(checks)} END AS refusal,"
        f" {ids} AS ids, {visits} AS visits, clock_timestamp() AS now"
    )


def _check(found: str, wanted: str, refusal: str) -> str:
    return f"WHEN {found} IS DISTINCT FROM {wanted} THEN refuse('{refusal}')"


def _changed(store: Store[Any]) -> str:
    return f"another commit changed {store.table.name} meanwhile"


def _parameter(numbers: "count[int]") -> str:
    return f"${next(numbers)}"
