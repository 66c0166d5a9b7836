"""As many orders in every service's tables as an old shop has, to measure whether its checkouts cost more::

    quadrille bench --state .quadrille/old                # the figures of a shop with nothing in it
    quadrille up --state .quadrille/old/instant           # in another terminal, for the two commands below
    python -m cli.bench.history --state .quadrille/old/instant --orders 1000000
    python -m cli.bench.stories fill --state .quadrille/old/instant --orders 1000000
    quadrille bench --state .quadrille/old                # the figures of an old shop

A checkout that is over is copied within each database, under names of its own, and what the services remember of
messages grows as it would have. It leaves a shop that is good for nothing but measuring: the gateway knows nothing of the
copies, and no audit of it can be right.
"""

import time
import uuid
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Annotated, Final

import typer
from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncEngine

from cli import system
from cli.bench.load import LoadError
from cli.bench.samples import SERVICES
from cli.shell import console, run
from shared.runtime.database import connect
from shared.runtime.inbox import KEPT
from shared.settings import Settings

CHUNK: Final = 20_000
HISTORY: Final = timedelta(days=90)
"""The orders came evenly over so many days: an inbox has forgotten most of their messages."""

_ENDED: Final = text("SELECT cart_id FROM checkouts WHERE state = 'confirmed' ORDER BY number DESC LIMIT 1")
_ORDERS: Final = text("SELECT count(*) FROM checkouts")
_REMEMBERED: Final = text("SELECT count(*) FROM inbox")
_REMEMBER: Final = text(
    "INSERT INTO inbox (source, id) SELECT '/quadrille/old', CAST(gen_random_uuid() AS text)"
    " FROM generate_series(1, CAST(:count AS int))"
)


def _copy(table: Table) -> str:
    """The statement that copies a cart's rows of a table, the name of the cart replaced wherever it stands."""
    names = [column.name for column in table.columns if column.identity is None]
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(f'copy.{name}' for name in names)}"
        f" FROM {table.name} AS original, generate_series(CAST(:first AS int), CAST(:last AS int)) AS n,"
        f" LATERAL json_populate_record(NULL::{table.name}, CAST(replace("
        "CAST(row_to_json(original) AS text), :cart_id, 'old-' || md5(:run || n)) AS json)) AS copy"
        " WHERE original.cart_id = :cart_id"
    )


async def fill(settings: Settings, orders: int) -> None:
    """Copy until there are so many more orders. Raises :class:`cli.bench.load.LoadError` where there is none to copy."""
    started = time.monotonic()
    engines = {name: connect(settings.database_url(name)) for name in SERVICES}
    try:
        async with engines["order"].connect() as connection:
            cart_id = (await connection.execute(_ENDED)).scalar()
            had = int((await connection.execute(_ORDERS)).scalar() or 0)
        if cart_id is None:
            raise LoadError("there is no confirmed order to copy: run `quadrille bench` first")
        for name, engine in engines.items():
            await _fill(name, engine, str(cart_id), orders, orders / had)
            console.print(f"{name} has {orders} more after {time.monotonic() - started:.0f} s")
    finally:
        for engine in engines.values():
            await engine.dispose()


async def _fill(name: str, engine: AsyncEngine, cart_id: str, orders: int, times: float) -> None:
    """``times``: how many times as many orders there will be as there were."""
    tables = [store.table for store in import_module(f"services.{name}.tables").STORES if "cart_id" in store.table.c]
    made = {"cart_id": cart_id, "run": uuid.uuid4().hex}
    for table in tables:
        for first in range(0, orders, CHUNK):
            async with engine.begin() as connection:
                await connection.execute(text(_copy(table)), {**made, "first": first, "last": min(orders, first + CHUNK) - 1})
    async with engine.begin() as connection:
        remembered = int((await connection.execute(_REMEMBERED)).scalar() or 0)
        await connection.execute(_REMEMBER, {"count": int(remembered * times * (KEPT / HISTORY))})
        await connection.execute(text("ANALYZE"))


def main(
    state: Annotated[Path, typer.Option(help="The state folder of the embedded stack.")],
    orders: Annotated[int, typer.Option(min=1, help="Orders to add.")] = 1_000_000,
) -> None:
    """Give every service's tables a history."""
    run(fill(system.settings(state), orders))


if __name__ == "__main__":
    typer.run(main)
