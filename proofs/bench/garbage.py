"""``python -m proofs.bench.garbage``: very many records nobody can read, and checkouts between them, on a stack of its own.

Every checkout must be confirmed, every piece of garbage kept as a dead letter, and nobody's memory may grow with them.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy import text

from cli.audit import audit
from cli.shell import console, run
from devstack.up import Running
from proofs.bench.cost import Cost
from proofs.bench.load import Load, watching
from proofs.bench.run import caught_up, system_of_its_own
from shared.runtime import kafka
from shared.runtime.postgres.database import connect
from shared.settings import Settings
from shared.settings import load as load_settings

TOPIC: Final = "cart.commands"
ACCEPTED: Final = b"quadrille.CheckoutConfirmed.v1"
CHUNK: Final = 5_000
"""Pieces of garbage between two checkouts."""
PATIENCE_SECONDS: Final = 3_600.0
_LETTERS: Final = text("SELECT count(*) FROM arrivals")


@dataclass(frozen=True)
class Result:
    """What was measured; ``letters``: dead letters kept. Seconds from the first piece of garbage until all were dealt with.

    A confirmation waits for what was published before it; ``slowest_under_way_seconds`` is from when it was accepted.
    """

    records: int
    letters: int
    read_seconds: float
    kept_seconds: float
    checkouts: int
    slowest_checkout_seconds: float
    slowest_under_way_seconds: float
    peak_mb: dict[str, float]
    violations: int


class Timed(Load):
    """A load that notes when confirmations were accepted."""

    def __init__(self, settings: Settings, producer: Any, consumer: Any) -> None:
        super().__init__(settings, producer, consumer)
        self.accepted: dict[str, float] = {}

    def seen(self, kind: bytes, cart_id: str, now: float) -> None:
        """An event of a cart, or of a SKU, has arrived."""
        super().seen(kind, cart_id, now)
        if kind == ACCEPTED:
            self.accepted[cart_id] = now

    def under_way(self, carts: Sequence[str]) -> list[float]:
        """Seconds from when it was accepted until it was an order, sorted."""
        return sorted(self.confirmed[c] - self.accepted[c] for c in carts)


def garbage(seed: int) -> Iterator[tuple[bytes, bytes | None, list[tuple[str, bytes]]]]:
    """Keys, values and headers without end, of every kind there is no reading of."""
    chance = random.Random(seed)
    while True:
        key = b"garbage-%d" % chance.randrange(100_000)
        yield chance.choice(
            [
                (key, chance.randbytes(chance.randrange(300)), []),
                (key, None, []),
                (key, b'{"type": "quadrille.Explode.v1", "id": "1", "source": "/x"}', []),
                (
                    key,
                    b"{",
                    [("ce_type", b"quadrille.AddItem.v1"), ("ce_id", b"%d" % chance.randrange(9)), ("ce_source", b"/x")],
                ),
                (chance.randbytes(9), b"{}", [("ce_type", b"\xff")]),
                (key, b'{"a":' * 50, [("ce_type", b"quadrille.OrderConfirmed.v1"), ("ce_id", b"1"), ("ce_source", b"/x")]),
                (key, b"x" * 10_000, []),
            ]
        )


async def measure(state: Path, records: int) -> Result:
    """Publish so many pieces of garbage, and checkouts between them."""
    async with system_of_its_own(state, "garbage", {}, console.print) as running:
        return await _measure(running, state, records)


async def _measure(running: Running, state: Path, records: int) -> Result:
    settings = load_settings(running.environment)
    engine = connect(settings.database_url("alerts"))
    cost = Cost(state, running.health_ports)

    async def letters() -> int:
        async with engine.connect() as connection:
            return int((await connection.execute(_LETTERS)).scalar_one())

    async with watching(Timed, settings) as driver:
        carts = await driver.prepare(max(1, records // CHUNK))
        before = await letters()
        memory = asyncio.create_task(cost.watch())
        started = time.monotonic()
        await _publish(driver, settings, carts, records)
        console.print(f"{records} pieces of garbage and {len(carts)} checkouts published in {time.monotonic() - started:.0f} s")
        await driver.until_confirmed(carts, PATIENCE_SECONDS)
        await caught_up(settings, console.print, "cart", PATIENCE_SECONDS)
        read = time.monotonic() - started
        console.print(f"cart has read all after {read:.0f} s")
        await caught_up(settings, console.print, "*", PATIENCE_SECONDS)
        kept = time.monotonic() - started
        memory.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await memory
        slowest, under_way = driver.latencies(carts)[-1], driver.under_way(carts)[-1]
    found = await letters() - before
    await engine.dispose()
    report = await audit(settings, patience=60)
    return Result(records, found, read, kept, len(carts), slowest, under_way, cost.peak_mb, len(report.violations))


async def _publish(driver: Load, settings: Settings, carts: list[str], records: int) -> None:
    """Garbage to every partition, a checkout after every chunk of it."""
    producer: Any = await kafka.producer(settings, "bench")
    pieces, topic, left = garbage(seed=1), settings.topic(TOPIC), iter(carts)
    try:
        for n in range(records):
            key, value, headers = next(pieces)
            await producer.send(topic, value, key, partition=n % settings.partitions, headers=headers)
            if (n + 1) % CHUNK == 0 and (cart_id := next(left, None)):
                await driver.confirm(cart_id)
        for cart_id in left:
            await driver.confirm(cart_id)
        await producer.flush()
    finally:
        await kafka.stop(producer)


def main(
    records: Annotated[int, typer.Option(min=CHUNK, help="Pieces of garbage.")] = 1_000_000,
    state: Annotated[Path, typer.Option(help="Where the stack keeps its state.")] = Path(".quadrille/bench/garbage"),
) -> None:
    """Measure it; exit code 1 where anything got lost."""
    result = run(measure(state, records))
    console.print(
        f"{result.records} pieces of garbage: {result.letters} dead letters,"
        f" read at {result.records / result.read_seconds:.0f} a second, kept at {result.records / result.kept_seconds:.0f};"
        f" {result.checkouts} checkouts between them confirmed, the slowest {result.slowest_checkout_seconds:.0f} s after its"
        f" command and {result.slowest_under_way_seconds:.1f} s after that was accepted;"
        f" {result.violations} violations"
    )
    console.print("peak memory, MB: " + ", ".join(f"{name} {mb:.0f}" for name, mb in result.peak_mb.items()))
    if result.letters != result.records or result.violations:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
