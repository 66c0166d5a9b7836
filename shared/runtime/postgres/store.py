"""Aggregates in PostgreSQL, many at once: a row is a dataclass, one column a field.

Rows travel as JSON in both directions, so a whole batch is one parameter and one statement, and pydantic maps rows to
dataclasses without a mapper of our own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.runtime.reactions import id_field

A = TypeVar("A")


class ConflictError(Exception):
    """Somebody else changed an aggregate since it was loaded: the batch is tried again."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The story an aggregate belongs to, handed on to what its timer causes."""

    correlation_id: str
    traceparent: str | None = None


@dataclass(slots=True)
class Loaded(Generic[A]):
    """An aggregate in a batch: as it was when loaded (``before``), its version, and what last touched it."""

    aggregate: A
    version: int
    before: bytes
    origin: Origin | None = None


def version_column() -> Column[int]:
    """Counts the commits of a row, so that none is lost."""
    return Column("version", Integer, nullable=False)


def timer_columns(table: str) -> tuple[Column[Any] | Index, ...]:
    """What the table of an aggregate with a ``due_at`` also has: its partition and its origin, and an index of what is due."""
    due_at = Column("due_at", DateTime(timezone=True))
    return (
        due_at,
        Column("partition", Integer, nullable=False),
        Column("correlation_id", Text),
        Column("traceparent", Text),
        Index(f"{table}_due", "partition", "due_at", postgresql_where=due_at.is_not(None)),
    )


class Store(Generic[A]):
    """Loads and saves the aggregates of one type.

    Where an aggregate has a ``due_at`` it also has a ``cart_id``, whose partition its timer belongs to. ``searches``: by
    name, statements that select the ids of some, but for those in ``:known``.
    """

    def __init__(self, kind: type[A], table: Table, searches: Mapping[str, str] | None = None) -> None:
        self.kind, self.table = kind, table
        known = bindparam("known", type_=ARRAY(Text))
        self._searches = {name: text(statement).bindparams(known) for name, statement in (searches or {}).items()}
        self.timed = "due_at" in table.c
        self._id = id_field(kind)
        self._make: Callable[[str], A] = kind
        self._adapter: TypeAdapter[A] = TypeAdapter(kind)
        origin = "correlation_id, traceparent" if self.timed else "NULL AS correlation_id, NULL AS traceparent"
        select = f"SELECT {self._id} AS id, version, {origin}, row_to_json(t)::text AS body FROM {table.name} t"
        ids = bindparam("ids", type_=ARRAY(Text))
        self._read = text(f"{select} WHERE {self._id} = ANY(:ids)").bindparams(ids)
        self._lock = text(f"{select} WHERE {self._id} = ANY(:ids) ORDER BY {self._id} FOR UPDATE").bindparams(ids)
        self._upsert = text(self._upsert_statement())
        self._postpone = text(
            f"UPDATE {table.name} SET due_at = :due_at, version = version + 1 WHERE {self._id} = :id AND due_at <= now()"
        )
        self._due = text(
            f"SELECT {self._id} AS id, partition FROM {table.name} WHERE partition = ANY(:partitions) AND due_at <= now()"
            f" ORDER BY due_at LIMIT :limit"
        ).bindparams(bindparam("partitions", type_=ARRAY(Integer)))

    def _upsert_statement(self) -> str:
        columns = [column.name for column in self.table.columns]
        names = ", ".join(columns)
        updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name != self._id)
        return (
            f"INSERT INTO {self.table.name} AS t ({names})"
            f" SELECT {names} FROM json_populate_recordset(NULL::{self.table.name}, CAST(:rows AS json))"
            f" ON CONFLICT ({self._id}) DO UPDATE SET {updates} WHERE t.version = excluded.version - 1"
        )

    def blank(self, aggregate_id: str) -> Loaded[A]:
        """An aggregate that has no row yet."""
        made = self._make(aggregate_id)
        return Loaded(made, 0, self._adapter.dump_json(made))

    async def load(self, connection: AsyncConnection, ids: Iterable[str], *, lock: bool) -> dict[str, Loaded[A]]:
        """Those that exist, by id; locked in the order of their ids where ``lock``."""
        rows = await connection.execute(self._lock if lock else self._read, {"ids": sorted(ids)})
        loaded = {}
        for row in rows:
            made = self._adapter.validate_json(row.body)
            origin = Origin(row.correlation_id, row.traceparent) if row.correlation_id else None
            before = self._adapter.dump_json(made) if lock else b""  # what is not locked is not saved
            loaded[row.id] = Loaded(made, row.version, before, origin)
        return loaded

    async def search(
        self, connection: AsyncConnection, name: str, parameters: Mapping[str, Any], known: Sequence[str]
    ) -> list[str]:
        """The ids that a search finds, but for those that are known."""
        found = await connection.execute(self._searches[name], {**parameters, "known": list(known)})
        return list(found.scalars())

    async def save(
        self, connection: AsyncConnection, loaded: Iterable[Loaded[A]], partition_of: Callable[[str], int]
    ) -> list[Loaded[A]]:
        """Write those that changed, and return them. Raises :class:`ConflictError`."""
        rows: list[bytes] = []
        changed: list[Loaded[A]] = []
        for item in loaded:
            body = self._adapter.dump_json(item.aggregate)
            if body != item.before:
                rows.append(self._head(item, partition_of) + body[1:])
                changed.append(item)
        if rows:
            written = await connection.execute(self._upsert, {"rows": f"[{b','.join(rows).decode()}]"})
            if written.rowcount != len(rows):
                raise ConflictError(f"another commit changed {self.table.name} meanwhile")
        return changed

    def _head(self, item: Loaded[A], partition_of: Callable[[str], int]) -> bytes:
        head: dict[str, Any] = {"version": item.version + 1}
        if self.timed:
            head["partition"] = partition_of(cast(Any, item.aggregate).cart_id)
            head["correlation_id"] = item.origin.correlation_id if item.origin else None
            head["traceparent"] = item.origin.traceparent if item.origin else None
        return orjson.dumps(head)[:-1] + b","

    async def postpone(self, connection: AsyncConnection, aggregate_id: str, due_at: datetime) -> None:
        """Move a timer that has fired, beyond the reactions' own rules: the one it was for failed."""
        await connection.execute(self._postpone, {"id": aggregate_id, "due_at": due_at})

    async def due(self, connection: AsyncConnection, partitions: Iterable[int], limit: int) -> list[tuple[str, int]]:
        """The ids and partitions of those whose timer is due, the longest waiting first."""
        rows = await connection.execute(self._due, {"partitions": sorted(partitions), "limit": limit})
        return [(row.id, row.partition) for row in rows]


class Numbers(Store[A]):
    """Draws a number from a sequence for each id that is asked for: an aggregate of the two, of which nothing is stored.

    ``table``: whose rows are numbered. A transaction that fails leaves a gap; nothing else does, where a reaction asks
    only for what it will use.
    """

    def __init__(self, kind: type[A], table: Table, sequence: str) -> None:
        self.kind, self.table, self.timed = kind, table, False
        self._numbered: Callable[[str, int], A] = kind
        draw = f"SELECT id, nextval('{sequence}') AS number FROM unnest(:ids) AS id"
        self._draw = text(draw).bindparams(bindparam("ids", type_=ARRAY(Text)))

    async def load(self, connection: AsyncConnection, ids: Iterable[str], *, lock: bool) -> dict[str, Loaded[A]]:
        """A new number for each."""
        rows = await connection.execute(self._draw, {"ids": sorted(ids)})
        return {row.id: Loaded(self._numbered(row.id, row.number), 0, b"") for row in rows}
