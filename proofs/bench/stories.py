"""A journal of any size, for measurements, and how long ``quadrille trace`` takes on it::

    python -m proofs.bench.stories fill --orders 1000000 --state .quadrille/bench
    python -m proofs.bench.stories measure --state .quadrille/bench

What the journal holds is multiplied within its database: every copy is a real story with ids, numbers and times of its
own. Most are of paid orders, some failed, and of those that are stuck there are a few. It needs some stories to begin with
(``quadrille demo`` makes them) and leaves a journal that is good for nothing but measuring.
"""

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from cli import system
from cli.shell import Commands
from cli.trace import journal_db
from proofs.bench.load import LoadError
from services.journal.tables import checkouts, entries
from shared.runtime.postgres.database import connect
from shared.settings import Settings

CHUNK: Final = 20_000
"""Stories a statement makes."""
DAYS: Final = 89
"""The stories lie within so many days."""
TRIES: Final = 20
KINDS: Final = 10
"""Different stories that are copied, of each share."""
SHARES: Final = {"completed": 0.94, "failed": 0.0595, "open": 0.0005}
"""Paid orders, those that came to nothing, and those that still wait for something."""

_TEMPLATES: Final = text(
    "SELECT cart_id, min(order_number) AS order_number, min(started_at) AS started_at,"
    " CASE WHEN bool_or(open) THEN 'open' WHEN bool_and(outcome = 'completed') THEN 'completed' ELSE 'failed' END"
    " AS share FROM checkouts GROUP BY cart_id HAVING count(order_number) <= 1 ORDER BY cart_id"
)
_COPIES: Final = """
WITH c AS (
    SELECT n, 'cart-' || substr(md5(:cart_id || '.' || n), 1, 12) AS cart_id,
           'Q-' || lpad(CAST(1000000 + :base + n AS text), 7, '0') AS number,
           now() - make_interval(days => :days) * (1 - CAST(n AS float) / :stories) - :started_at AS later
      FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n)
"""
"""Each copy's number, cart, order number, and how much later than the original it happened."""
_ENTRIES: Final = text(f"""{_COPIES}
INSERT INTO entries
       (topic, partition, "offset", recorded_at, at, form, key, source, kind, message_id, checkout_id, cause, facts)
SELECT t.topic, c.n % 6, 1000000000000 + CAST(:base + c.n AS bigint) * 1000 + t.row, t.recorded_at + c.later, t.at + c.later,
       t.form, c.cart_id, t.source, t.kind, CAST(CAST(md5(t.message_id || '.' || c.n) AS uuid) AS text),
       replace(t.checkout_id, :cart_id, c.cart_id),
       CASE WHEN t.cause LIKE '%/%' THEN replace(t.cause, :cart_id, c.cart_id)
            ELSE CAST(CAST(md5(t.cause || '.' || c.n) AS uuid) AS text) END,
       CAST(replace(replace(CAST(t.facts AS text), :cart_id, c.cart_id), coalesce(:order_number, '?'), c.number) AS json)
  FROM c CROSS JOIN (SELECT *, row_number() OVER () AS row FROM entries WHERE key = :cart_id) AS t
""")
_LATER: Final = """(SELECT jsonb_object_agg(key, CAST(value AS bigint) + CAST(1000 * extract(epoch FROM c.later) AS bigint))
          FROM jsonb_each_text(t.{}))"""
_CHECKOUTS: Final = text(f"""{_COPIES}
INSERT INTO checkouts
       (checkout_id, cart_id, order_number, hold, amount, currency, started_at, moved_at, steps, outcome, waits)
SELECT replace(t.checkout_id, :cart_id, c.cart_id), c.cart_id, CASE WHEN t.order_number IS NOT NULL THEN c.number END,
       t.hold || '.' || c.n, t.amount, t.currency, t.started_at + c.later, t.moved_at + c.later,
       {_LATER.format("steps")}, t.outcome, {_LATER.format("waits")}
  FROM c CROSS JOIN (SELECT * FROM checkouts WHERE cart_id = :cart_id) AS t
""")
_SAMPLES: Final = {
    "order number": "SELECT order_number FROM checkouts WHERE order_number IS NOT NULL AND checkout_id > $1 LIMIT 1",
    "checkout id": "SELECT checkout_id FROM checkouts WHERE checkout_id > $1 LIMIT 1",
    "cart id": "SELECT cart_id FROM checkouts WHERE checkout_id > $1 LIMIT 1",
    "message id": "SELECT message_id FROM entries WHERE key > $1 AND kind = 'PaymentAuthorized' LIMIT 1",
    "prefix of a cart": "SELECT left(cart_id, 15) FROM checkouts WHERE checkout_id > $1 LIMIT 1",
    "prefix of a message": "SELECT left(message_id, 12) FROM entries WHERE key > $1 AND kind = 'PaymentAuthorized' LIMIT 1",
}

app = Commands(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
State = Annotated[Path, typer.Option(help="The state folder of the embedded stack.")]


@app.command()
def fill(orders: int = 1_000_000, state: State = Path(".quadrille")) -> None:
    """Multiply the stories of the journal until there are so many orders."""
    asyncio.run(multiply(system.settings(state), orders, _say))


@app.command()
def measure(state: State = Path(".quadrille")) -> None:
    """Time the command itself, from its start to its end."""
    for what, names in asyncio.run(_samples(system.settings(state))).items():
        seconds = sorted(_time(name, state) for name in names)
        _say(f"{what:<20} p50 {1000 * statistics.median(seconds):.0f} ms, slowest {1000 * seconds[-1]:.0f} ms")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def unhurried(settings: Settings, service: str) -> AsyncEngine:
    """For statements that take as long as they take."""
    return connect(settings.database_url(service), seconds=None)


async def tidy(engine: AsyncEngine) -> None:
    """What PostgreSQL does by itself after many changes, done now and not while somebody measures."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text("VACUUM (ANALYZE)"))


async def multiply(settings: Settings, orders: int, say: Callable[[str], None]) -> None:
    """Until there are so many orders. Raises :class:`proofs.bench.load.LoadError` where there is no paid one to multiply."""
    started = time.monotonic()
    engine = unhurried(settings, "journal")
    try:
        await _with_indices(engine, "drop")
        base = 0
        for template, count in await _plan(engine, orders):
            for first in range(0, count, CHUNK):
                chunk = {
                    **template,
                    "first": first,
                    "last": min(count, first + CHUNK) - 1,
                    "stories": count,
                    "base": base,
                    "days": DAYS,
                }
                async with engine.begin() as connection:
                    await connection.execute(_ENTRIES, chunk)
                    await connection.execute(_CHECKOUTS, chunk)
            base += count
            say(f"{count} stories like {template['cart_id']} after {time.monotonic() - started:.0f} s")
        await _with_indices(engine, "create")
        await tidy(engine)
        async with engine.connect() as connection:
            found = (await connection.execute(_SIZE)).one()
        say(f"{found.orders} orders, {found.size} after {time.monotonic() - started:.0f} s")
    finally:
        await engine.dispose()


_SIZE: Final = text(
    "SELECT (SELECT count(*) FROM checkouts WHERE order_number IS NOT NULL) AS orders,"
    " pg_size_pretty(pg_database_size(current_database())) AS size"
)


async def _plan(engine: AsyncEngine, orders: int) -> list[tuple[dict[str, Any], int]]:
    """The stories to copy, each with how often. Every share is of the orders that are wanted."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_TEMPLATES)).all()
    plan = []
    for share, part in SHARES.items():
        of_it = [row for row in rows if row.share == share][:KINDS]
        if share == "completed" and not of_it:
            raise LoadError("the journal holds no paid order to multiply: run `quadrille demo` first")
        for row in of_it:
            template = {"cart_id": row.cart_id, "order_number": row.order_number, "started_at": row.started_at}
            plan.append((template, int(orders * part / len(of_it))))
    return plan


async def _with_indices(engine: AsyncEngine, what: str) -> None:
    """Drop or create the indices: making them at the end takes a fraction of the time."""

    def do(connection: Any) -> None:
        for table in (entries, checkouts):
            for index in table.indexes:
                getattr(index, what)(connection, checkfirst=True)

    async with engine.begin() as connection:
        await _quietly(connection)
        await connection.run_sync(do)


async def _quietly(connection: AsyncConnection) -> None:
    await connection.execute(text("SET LOCAL lock_timeout = '30s'"))
    await connection.execute(text("SET LOCAL maintenance_work_mem = '512MB'"))


async def _samples(settings: Settings) -> dict[str, list[str]]:
    """Names to ask for, from all over the journal."""
    async with journal_db(settings) as db:
        return {
            what: [str(await db.fetchval(query, f"cart-{256 * n // TRIES:02x}")) for n in range(TRIES)]
            for what, query in _SAMPLES.items()
        }


def _time(name: str, state: Path) -> float:
    started = time.perf_counter()
    command = [sys.executable, "-m", "cli.main", "trace", name, "--state", str(state)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2:
        raise LoadError(f"trace {name}: {done.stderr}")
    return time.perf_counter() - started


if __name__ == "__main__":
    app()
