"""Statements that take many rows at once: each column is one array, whatever the number of rows."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import JSON, Column, Table, Text, TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB


def insert(table: Table, names: Sequence[str], then: str) -> TextClause:
    """An insert of these columns in the order of the rows; ``then`` is what follows, such as ``ON CONFLICT …``."""
    columns = [table.c[name] for name in names]
    quoted = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(_sql(column) for column in columns)
    arrays = ", ".join(f":{name}" for name in names)
    statement = f"INSERT INTO {table.name} ({quoted}) SELECT {values} FROM unnest({arrays}) AS r ({quoted}) {then}"
    return text(statement).bindparams(*(bindparam(c.name, type_=ARRAY(Text() if _is_json(c) else c.type)) for c in columns))


def rows(names: Sequence[str], items: Iterable[Any]) -> dict[str, list[Any]]:
    """The parameters of :func:`insert`: the attributes of these items; a mapping travels as JSON."""
    values = list(items)
    return {name: [_parameter(getattr(item, name)) for item in values] for name in names}


def _is_json(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON)


def _sql(column: Column[Any]) -> str:
    kind = "jsonb" if isinstance(column.type, JSONB) else "json"
    return f'CAST("{column.name}" AS {kind})' if _is_json(column) else f'"{column.name}"'


def _parameter(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict) else value
