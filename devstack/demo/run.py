"""``quadrille demo``: starts a system if none is running, runs every scenario, prints a table, and audits."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console
from rich.markup import escape

from cli import system
from cli.audit import audit
from cli.audit.show import show
from cli.table import Table, number, text
from devstack.demo.limits import LIMITS
from devstack.demo.scenarios import SCENARIOS, Scenario, UnexpectedError
from devstack.demo.shop import Shop, unique
from devstack.output import as_json
from devstack.up import Running
from shared.client import HEARD, CheckoutClient, OutcomeTimeoutError
from shared.contract.inventory import ReceiveStock, StockReceived
from shared.contract.order import OrderConfirmed, OrderCreated
from shared.contract.payment import CaptureFailed, VoidFailed
from shared.contract.products import ProductListed
from shared.contract.topics import DEAD_LETTERS
from shared.runtime.postgres.database import open_engine
from shared.settings import Settings, load, names_broker

PRODUCTS: Final = 1_000
MAX_CONCURRENCY: Final = 8
"""Scenarios in flight at once."""
PATIENCE_SECONDS: Final = 60.0
LONGEST_WAIT_SECONDS: Final = 30.0
"""A scenario that waits longer for a time limit of the system is skipped."""


@dataclass(frozen=True)
class Result:
    """How a scenario ended. ``seconds``: how long it took."""

    scenario: Scenario
    passed: bool
    outcome: str
    events: int
    seconds: float


async def demo(state: Path, console: Console, progress: Callable[[str], None]) -> bool:
    """Run the demo; returns whether every scenario passed and the audit found no violation."""
    started = time.monotonic()
    if system.find(state) is None and not names_broker():
        progress("Nothing is running: starting Kafka, PostgreSQL, a sandbox gateway and the services")
        log = state / "logs" / "demo.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w") as lines:
            running = Running(state, LIMITS, lambda name, line: _write(lines, name, line), progress)
            await running.start()
            try:
                return await _show(load(running.environment), console, progress, started)
            finally:
                progress("Stopping everything")
                await running.stop()
    progress("Using the running system")
    return await _show(system.settings(state), console, progress, started)


def _write(lines: TextIO, name: str, line: str) -> None:
    lines.write(f"{as_json(name, line)}\n")
    lines.flush()


async def _show(settings: Settings, console: Console, progress: Callable[[str], None], started: float) -> bool:
    client = CheckoutClient(settings, "/quadrille/demo", (*HEARD, DEAD_LETTERS))
    async with open_engine(settings.database_url("alerts")) as engine, client:
        scenarios = _possible(settings, progress)
        shops = [Shop(client, engine) for _ in scenarios]
        progress(f"Publishing {PRODUCTS} products with stock")
        await _catalogue(client)
        progress(f"Running {len(scenarios)} scenarios")
        slots = asyncio.Semaphore(MAX_CONCURRENCY)
        runs = (_run(scenario, shop, slots, console) for scenario, shop in zip(scenarios, shops, strict=True))
        results = await asyncio.gather(*runs)
    _table(results).print(console)
    progress("Checking the invariants across databases and gateway")
    report = await audit(settings, patience=PATIENCE_SECONDS)
    show(report, console)
    if order := most_interesting(shops):
        page = f"{settings.console_address}/orders/{order}"
        progress(f"The order with the most events: {page} (while `quadrille up` is running)")
    passed = all(result.passed for result in results) and not report.violations
    progress(f"The demo {'passed' if passed else 'FAILED'} after {time.monotonic() - started:.0f} s")
    return passed


def _possible(settings: Settings, progress: Callable[[str], None]) -> list[Scenario]:
    """The scenarios that do not wait too long for a time limit of this system."""
    found = []
    for scenario in SCENARIOS:
        if (seconds := scenario.waits(settings)) <= LONGEST_WAIT_SECONDS:
            found.append(scenario)
        else:
            progress(f"Skipped, as it takes {seconds:.0f} s with the settings of this system: {scenario.name}")
    return found


def most_interesting(shops: Sequence[Shop]) -> str | None:
    """The number of an order with the most failures."""
    for kind in (VoidFailed, CaptureFailed, OrderConfirmed):
        for shop in shops:
            for events in map(shop.events, shop.carts):
                created = next((event for event in events if isinstance(event, OrderCreated)), None)
                if created and any(isinstance(event, kind) for event in events):
                    return created.order_number
    return None


async def _catalogue(client: CheckoutClient) -> None:
    run = unique("demo")
    skus = [f"{run}-{number:04d}" for number in range(PRODUCTS)]
    for start in range(0, PRODUCTS, 200):
        some = range(start, start + 200)
        listed = [
            ProductListed(sku=skus[n], name=f"Product {n}", prices={"EUR": 500 + n, "JPY": 800 + n}, weight_grams=100 + n)
            for n in some
        ]
        await client.send(*listed, *(ReceiveStock(sku=skus[n], quantity=100) for n in some))
    for sku in skus:
        await client.wait_for(sku, StockReceived)
    client.forget(skus)


async def _run(scenario: Scenario, shop: Shop, slots: asyncio.Semaphore, console: Console) -> Result:
    async with slots:
        started = time.monotonic()
        try:
            outcome, passed = await scenario.run(shop), True
        except (UnexpectedError, OutcomeTimeoutError, AssertionError) as error:
            outcome, passed = str(error), False
        seconds = time.monotonic() - started
    events = sum(len(shop.event_names(cart_id)) for cart_id in shop.carts)
    mark = "[green]passed[/]" if passed else "[red]FAILED[/]"
    console.print(f"  {mark} {seconds:5.1f} s  {escape(scenario.name)}: {escape(outcome)}", soft_wrap=True)
    return Result(scenario, passed, outcome, events, seconds)


def _table(results: list[Result]) -> Table:
    table = Table(
        *("", text("scenario", 16), text("expected", 16), text("outcome")),
        *(number("events", 1), number("time", 2)),
        title="Scenarios",
    )
    for result in results:
        mark = "[green]passed[/]" if result.passed else "[red]FAILED[/]"
        cells = (mark, result.scenario.name, result.scenario.expected, escape(result.outcome), str(result.events))
        table.add_row(*cells, f"{result.seconds:.1f} s")
    return table
