"""Copies of orders in the tables of the services, as many as an old shop has.

A checkout that is over is copied within each database, under names of its own, and what the services remember of messages
grows as it would have. It leaves a shop that is good for nothing but measuring: the gateway knows nothing of the copies,
and no audit of it can be right.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from typing import Final

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncEngine

from proofs.bench.load import LoadError
from proofs.bench.samples import SERVICES
from proofs.bench.stories import tidy, unhurried
from shared.runtime.postgres.inbox import KEPT
from shared.settings import Settings

CHUNK: Final = 20_000
HISTORY: Final = timedelta(days=90)
"""The orders came evenly over so many days: an inbox has forgotten most of their messages."""

_ENDED: Final = text("SELECT cart_id FROM checkouts WHERE state = 'confirmed' ORDER BY number DESC LIMIT 1")
_ORDERS: Final = text("SELECT count(*) FROM checkouts")
_REMEMBERED: Final = text("SELECT count(*) FROM inbox")
_REMEMBER: Final = text(
    "INSERT INTO inbox (source, id) SELECT '/quadrille/old', CAST(gen_random_uuid() AS text)"
    " FROM generate_series(CAST(:first AS int), CAST(:last AS int))"
)


async def orders(settings: Settings) -> int:
    """How many checkouts order knows."""
    engine = unhurried(settings, "order")
    try:
        async with engine.connect() as connection:
            return int((await connection.execute(_ORDERS)).scalar() or 0)
    finally:
        await engine.dispose()


async def fill(settings: Settings, more: int, progress: Callable[[str], None]) -> None:
    """Copy until there are so many more orders. Raises :class:`proofs.bench.load.LoadError` where there is none to copy."""
    had = await orders(settings)
    engines = {name: unhurried(settings, name) for name in SERVICES}
    try:
        async with engines["order"].connect() as connection:
            cart_id = (await connection.execute(_ENDED)).scalar()
        if cart_id is None:
            raise LoadError("there is no confirmed order to copy")
        for name, engine in engines.items():
            await _copy(name, engine, str(cart_id), more)
            await _remember(engine, more / had)
            await tidy(engine)
            progress(f"{name} has {more} orders more")
    finally:
        for engine in engines.values():
            await engine.dispose()


async def _copy(name: str, engine: AsyncEngine, cart_id: str, orders: int) -> None:
    tables = [store.table for store in import_module(f"services.{name}.tables").STORES if "cart_id" in store.table.c]
    made = {"cart_id": cart_id, "run": uuid.uuid4().hex}
    for table in tables:
        for first in range(0, orders, CHUNK):
            async with engine.begin() as connection:
                last = min(orders, first + CHUNK) - 1
                await connection.execute(text(_copies(table)), {**made, "first": first, "last": last})


def _copies(table: Table) -> str:
    """The statement that copies a cart's rows of a table, the name of the cart replaced wherever it stands."""
    names = [column.name for column in table.columns if column.identity is None]
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(f'copy.{name}' for name in names)}"
        f" FROM {table.name} AS original, generate_series(CAST(:first AS int), CAST(:last AS int)) AS n,"
        f" LATERAL json_populate_record(NULL::{table.name}, CAST(replace("
        "CAST(row_to_json(original) AS text), :cart_id, 'old-' || md5(:run || n)) AS json)) AS copy"
        " WHERE original.cart_id = :cart_id"
    )


async def _remember(engine: AsyncEngine, times: float) -> None:
    """``times``: how many times as many orders there will be as there were."""
    async with engine.connect() as connection:
        remembered = int((await connection.execute(_REMEMBERED)).scalar() or 0)
    count = int(remembered * times * (KEPT / HISTORY))
    for first in range(0, count, CHUNK):
        async with engine.begin() as connection:
            await connection.execute(_REMEMBER, {"first": first, "last": min(count, first + CHUNK) - 1})
