"""Aggregates in PostgreSQL, many at once: a row is a dataclass, one column a field.

Rows travel as JSON in both directions, so a whole batch is one parameter and one statement, and pydantic maps rows to
dataclasses without a mapper of our own.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar, cast

import orjson
from pydantic import TypeAdapter
from sqlalchemy import Column, DateTime, Index, Integer, Table, Text

from shared.runtime.database import Changes, Loaded, Origin
from shared.runtime.reactions import id_field

A = TypeVar("A")


def version_column() -> Column[int]:
    """Counts the commits of a row, so that none is lost."""
    return Column("version", Integer, nullable=False)


def timer_columns(table: str) -> tuple[Column[Any] | Index, ...]:
    """What the table of an aggregate with a ``due_at`` also has: its partition, its origin, and an index of what is due."""
    due_at = Column("due_at", DateTime(timezone=True))
    return (
        due_at,
        Column("partition", Integer, nullable=False),
        Column("correlation_id", Text),
        Column("traceparent", Text),
        Index(f"{table}_due", "partition", "due_at", postgresql_where=due_at.is_not(None)),
    )


class Store(Generic[A]):
    """The aggregates of one type: their table, its statements, and what its rows mean.

    Where an aggregate has a ``due_at`` it also has a ``cart_id``, whose partition its timer belongs to. ``searches``: by
    name, statements that select the ids of some, but for those in ``:known``.
    """

    def __init__(self, kind: type[A], table: Table, searches: Mapping[str, str] | None = None) -> None:
        self.kind, self.table = kind, table
        self.timed = "due_at" in table.c
        self.searches = {name: _numbered(statement) for name, statement in (searches or {}).items()}
        self._id = id_field(kind)
        self._make: Callable[[str], A] = kind
        self._adapter: TypeAdapter[A] = TypeAdapter(kind)
        origin = "correlation_id, traceparent" if self.timed else "NULL AS correlation_id, NULL AS traceparent"
        self.read = (
            f"SELECT {self._id} AS id, version, {origin}, row_to_json(t)::text AS body FROM {table.name} t"
            f" WHERE {self._id} = ANY($1)"
        )
        self.lock = f"{self.read} ORDER BY {self._id} FOR UPDATE"
        self.postpone = f"UPDATE {table.name} SET due_at = $2, version = version + 1 WHERE {self._id} = $1 AND due_at <= now()"
        self.due = f"SELECT {self._id} AS id, partition, due_at FROM {table.name} WHERE partition = ANY($1) AND due_at <= now()"

    def upsert(self, rows: str) -> str:
        """The statement that writes rows, given the name of the parameter they are in."""
        columns = [column.name for column in self.table.columns]
        names = ", ".join(columns)
        updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name != self._id)
        return (
            f"INSERT INTO {self.table.name} AS t ({names})"
            f" SELECT {names} FROM json_populate_recordset(NULL::{self.table.name}, {rows}::json)"
            f" ON CONFLICT ({self._id}) DO UPDATE SET {updates} WHERE t.version = excluded.version - 1 RETURNING 1"
        )

    def same(self, ids: str, versions: str) -> str:
        """The statement that finds those which are still as they were, and keeps them so until the commit."""
        return (
            f"SELECT 1 FROM {self.table.name} AS t JOIN unnest({ids}::text[], {versions}::int[]) AS was (id, version)"
            f" ON t.{self._id} = was.id AND t.version = was.version FOR SHARE OF t"
        )

    def id_of(self, aggregate: A) -> str:
        """The id of an aggregate."""
        return str(getattr(aggregate, self._id))

    def blank(self, aggregate_id: str) -> Loaded[A]:
        """An aggregate that has no row yet."""
        made = self._make(aggregate_id)
        return Loaded(made, 0, self._adapter.dump_json(made))

    def from_row(self, row: Mapping[str, Any], *, lock: bool) -> Loaded[A]:
        """The aggregate of a row. What is not locked is not saved, and need not be compared."""
        made = self._adapter.validate_json(row["body"])
        origin = Origin(row["correlation_id"], row["traceparent"]) if row["correlation_id"] else None
        return Loaded(made, row["version"], self._adapter.dump_json(made) if lock else b"", origin)

    def from_body(self, body: bytes, version: int, origin: Origin | None) -> Loaded[A]:
        """The aggregate that was written as this body."""
        return Loaded(self._adapter.validate_json(body), version, body, origin)

    def changes(self, loaded: Iterable[Loaded[A]], partition_of: Callable[[str], int]) -> Changes:
        """Which of these changed since they were loaded."""
        made = Changes(self)
        for one in loaded:
            body = self._adapter.dump_json(one.aggregate)
            if body != one.before:
                made.changed.append(one)
                made.bodies.append(body)
                made.rows.append(self._head(one, partition_of) + body[1:])
            else:
                made.same.append(one)
        return made

    def _head(self, one: Loaded[A], partition_of: Callable[[str], int]) -> bytes:
        head: dict[str, Any] = {"version": one.version + 1}
        if self.timed:
            head["partition"] = partition_of(cast(Any, one.aggregate).cart_id)
            head["correlation_id"] = one.story.correlation_id if one.story else None
            head["traceparent"] = one.story.traceparent if one.story else None
        return orjson.dumps(head)[:-1] + b","


class Numbers(Store[A]):
    """Draws a number from a sequence for each id that is asked for: an aggregate of the two, of which nothing is stored.

    ``table``: whose rows are numbered. A transaction that fails leaves a gap; nothing else does, where a reaction asks
    only for what it will use.
    """

    def __init__(self, kind: type[A], table: Table, sequence: str) -> None:
        self.kind, self.table, self.timed, self.searches = kind, table, False, {}
        self._numbered: Callable[[str, int], A] = kind
        self.read = self.lock = f"SELECT id, nextval('{sequence}') AS number FROM unnest($1::text[]) AS id"

    def from_row(self, row: Mapping[str, Any], *, lock: bool) -> Loaded[A]:
        """A new number."""
        return Loaded(self._numbered(row["id"], row["number"]), 0, b"")


def _numbered(statement: str) -> tuple[str, list[str]]:
    """A statement with numbers in place of the names of its parameters, and these names in their order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    return re.sub(r"(?<!:):(\w+)", number, statement), names
