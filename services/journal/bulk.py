"""Inserts many rows with one statement: each column is one array parameter."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Final

import orjson
from sqlalchemy import JSON, BigInteger, Column, DateTime, Integer, Table, TextClause, text
from sqlalchemy.dialects.postgresql import JSONB

_ARRAYS: Final = {BigInteger: "bigint[]", DateTime: "timestamptz[]", Integer: "integer[]", JSON: "text[]", JSONB: "text[]"}
"""The array types of columns that are not sent as text. They are named in the statement, so that no value is inspected."""


def insert(table: Table, names: Sequence[str], then: str) -> TextClause:
    """Build an insert of these columns. ``then``: the clause that follows, such as ``ON CONFLICT …``."""
    columns = [table.c[name] for name in names]
    quoted = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(_value(column) for column in columns)
    arrays = ", ".join(f"CAST(:{c.name} AS {_ARRAYS.get(type(c.type), 'text[]')})" for c in columns)
    return text(f"INSERT INTO {table.name} ({quoted}) SELECT {values} FROM unnest({arrays}) AS r ({quoted}) {then}")


def rows(table: Table, names: Sequence[str], items: Iterable[Any]) -> dict[str, list[Any]]:
    """Build the parameters of :func:`insert` from the attributes of at least one item. JSON is sent as text."""
    columns = dict(zip(names, map(list, zip(*map(attrgetter(*names), items), strict=True)), strict=True))
    for name in names:
        if isinstance(table.c[name].type, JSON):
            columns[name] = [None if value is None else orjson.dumps(value).decode() for value in columns[name]]
    return columns


def _value(column: Column[Any]) -> str:
    kind = "jsonb" if isinstance(column.type, JSONB) else "json"
    return f'CAST("{column.name}" AS {kind})' if isinstance(column.type, JSON) else f'"{column.name}"'
