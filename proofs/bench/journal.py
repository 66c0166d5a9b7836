"""``python -m proofs.bench.journal``: confirmed checkouts per second with the journal reading along, and with it held still.

Bursts with and without take turns in one running system, so that what else the machine does falls on both.
"""

import signal
import statistics
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.shell import console, run
from devstack.up import Running
from proofs.bench.cost import Cost
from proofs.bench.load import load
from proofs.bench.run import WINDOW, caught_up, system_of_its_own
from shared.settings import load as load_settings

WARM_UP: Final = 500
"""Checkouts nobody measures: connections are made and plans are cached."""


async def measure(state: Path, pairs: int, size: int) -> dict[str, list[float]]:
    """The rates of so many pairs of bursts of ``size`` checkouts each."""
    async with system_of_its_own(state, "journal", {}, console.print) as running:
        return await _measure(running, state, pairs, size)


async def _measure(running: Running, state: Path, pairs: int, size: int) -> dict[str, list[float]]:
    settings = load_settings(running.environment)
    cost = Cost(state, running.health_ports)
    rates: dict[str, list[float]] = {"with": [], "without": []}
    async with load(settings) as driver:
        console.print("Preparing carts")
        carts = await driver.prepare(WARM_UP + 2 * pairs * size)
        await caught_up(settings, console.print)
        await driver.top(carts[:WARM_UP], WINDOW)
        for n in range(2 * pairs):
            await caught_up(settings, console.print)
            burst = carts[WARM_UP + n * size : WARM_UP + (n + 1) * size]
            # with, without, without, with: a drift of the machine falls on both too
            way = "without" if n % 4 in (1, 2) else "with"
            if way == "without":
                cost.signal("journal", signal.SIGSTOP)
            try:
                rates[way].append(await driver.top(burst, WINDOW))
            finally:
                cost.signal("journal", signal.SIGCONT)
            console.print(f"{size} checkouts {way} the journal: {rates[way][-1]:.0f} a second")
    return rates


def main(
    pairs: Annotated[int, typer.Option(min=1, help="Pairs of bursts.")] = 4,
    size: Annotated[int, typer.Option(min=100, help="Checkouts of a burst.")] = 1_000,
    state: Annotated[Path, typer.Option(help="Where the stack keeps its state.")] = Path(".quadrille/bench/journal"),
) -> None:
    """Measure it and print the medians."""
    rates = run(measure(state, pairs, size))
    reading, still = (statistics.median(rates[way]) for way in ("with", "without"))
    console.print(
        f"with {reading:.0f}, without {still:.0f} confirmed a second (medians): the journal costs {1 - reading / still:.0%}"
    )


if __name__ == "__main__":
    typer.run(main)
