"""``python -m proofs.bench.history``: whether a checkout costs more in a shop that has a million orders in its tables.

Bursts in a shop with next to nothing in it and in an old one take turns, so that what else the machine does falls on both.
The old one is made when it is first needed, and kept.
"""

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.audit import audit
from cli.shell import console, run
from cli.table import Table, number
from proofs.bench import copies, stories
from proofs.bench.cost import Cost
from proofs.bench.load import load
from proofs.bench.run import WINDOW, caught_up, system_of_its_own
from shared.settings import load as load_settings

BOUND: Final = 0.15
"""A checkout may cost so much more."""
SEED: Final = 50
"""Checkouts of the old shop that are real: some of them are copied."""
WARM_UP: Final = 500
"""Checkouts nobody measures: connections are made, plans are cached, pages are in memory."""


@dataclass(frozen=True)
class Burst:
    """What carts cost from their opening until their orders were confirmed and the journal had read all. CPU in ms each.

    ``violations``: what the audit of the new shop finds; nobody audits the old one.
    """

    per_second: float
    cpu_ms: dict[str, float]
    violations: int

    @property
    def cost(self) -> float:
        """Of the services, the database and the broker together, in CPU ms a checkout."""
        return sum(self.cpu_ms.values())


async def age(state: Path, orders: int) -> None:
    """Give a shop so many orders, in its services' tables and in its journal, where it does not have them yet."""
    async with system_of_its_own(state, "history", {}, console.print) as running:
        settings = load_settings(running.environment)
        had = await copies.orders(settings)
        if had >= orders:
            return
        async with load(settings) as driver:
            await driver.top(await driver.prepare(SEED), WINDOW)
            await caught_up(settings, console.print)
        await stories.multiply(settings, orders, console.print)
        await copies.fill(settings, orders - had, console.print)


async def burst(state: Path, size: int, *, audited: bool) -> Burst:
    """Measure so many checkouts."""
    async with system_of_its_own(state, "history", {}, lambda _: None) as running:
        settings = load_settings(running.environment)
        cost = Cost(state, running.health_ports)
        async with load(settings) as driver:
            await driver.top(await driver.prepare(WARM_UP), WINDOW)
            await caught_up(settings, lambda _: None)
        before = cost.cpu_seconds()
        async with load(settings) as driver:
            per_second = await driver.top(await driver.prepare(size), WINDOW)
            await caught_up(settings, lambda _: None)
        used = {name: 1000 * (now - before[name]) / size for name, now in cost.cpu_seconds().items() if name != "bench"}
        violations = len((await audit(settings, patience=60)).violations) if audited else 0
    return Burst(per_second, used, violations)


async def measure(state: Path, orders: int, pairs: int, size: int) -> dict[str, list[Burst]]:
    """So many pairs of bursts of ``size`` checkouts each."""
    await age(state / "old", orders)
    bursts: dict[str, list[Burst]] = {"new": [], "old": []}
    for n in range(2 * pairs):
        # new, old, old, new: a drift of the machine falls on both too
        shop = "old" if n % 4 in (1, 2) else "new"
        made = await burst(state / shop, size, audited=shop == "new")
        bursts[shop].append(made)
        console.print(f"the {shop} shop: {made.per_second:.0f} confirmed a second, {made.cost:.1f} ms of CPU a checkout")
    return bursts


def show(bursts: dict[str, list[Burst]]) -> None:
    """The medians, process by process."""
    table = Table("CPU ms a checkout", number("new"), number("old"))
    for name in bursts["new"][0].cpu_ms:
        table.add_row(name, *(f"{statistics.median(b.cpu_ms[name] for b in those):.2f}" for those in bursts.values()))
    table.print(console)


def main(
    orders: Annotated[int, typer.Option(min=1, help="Orders of the old shop.")] = 1_000_000,
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of bursts.")] = 4,
    size: Annotated[int, typer.Option(min=100, help="Checkouts of a burst.")] = 2_000,
    state: Annotated[Path, typer.Option(help="Where the two shops keep their state.")] = Path(".quadrille/bench/history"),
) -> None:
    """Measure it and print the medians; exit code 1 where a checkout of the old shop costs over 15 % more."""
    bursts = run(measure(state, orders, pairs, size))
    show(bursts)
    more = statistics.median(old.cost / new.cost for new, old in zip(bursts["new"], bursts["old"], strict=True)) - 1
    rate = statistics.median(old.per_second / new.per_second for new, old in zip(bursts["new"], bursts["old"], strict=True))
    console.print(f"in a shop of {orders} orders a checkout costs {more:+.1%} CPU; {rate:.0%} as many are confirmed a second")
    violations = sum(made.violations for made in bursts["new"])
    console.print(f"{violations} violations in the new shop")
    raise typer.Exit(more > BOUND or violations > 0)


if __name__ == "__main__":
    typer.run(main)
