"""The bench: three figures, their cost, and an audit of what was done."""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console

from cli.audit import audit
from cli.table import Table, number
from devstack.output import as_json
from devstack.up import LEDGER, Running
from proofs.background import background
from proofs.bench.cost import KAFKA_REQUESTS, STATEMENTS, Cost
from proofs.bench.load import load
from shared.lag.reader import LagReader
from shared.settings import Settings
from shared.settings import load as load_settings

ALONE: Final = 50
CATCH_UP_SECONDS: Final = 300
LOOK_SECONDS: Final = 1.0
WINDOW: Final = 1_000
"""Checkouts under way at the top rate."""


@dataclass(frozen=True)
class Result:
    """What was measured. Latencies in milliseconds from the command to ``OrderConfirmed``; memory in MB."""

    gateway: str
    cores: int
    load_average: float
    checkouts: int
    per_second: float
    alone_p50: float
    alone_p99: float
    at_80_percent_p50: float
    at_80_percent_p99: float
    cpu_ms_per_checkout: dict[str, float]
    peak_mb: dict[str, float]
    statements_per_checkout: dict[str, float]
    kafka_requests_per_checkout: dict[str, float]
    violations: list[str]


async def bench(state: Path, checkouts: int, gateway: str, progress: Callable[[str], None]) -> Result:
    """Measure ``checkouts`` confirmed checkouts on everything but the console, whose log is ``logs/bench.log``.

    ``gateway``: ``http`` is the sandbox, ``instant`` one within payment's process (:mod:`proofs.bench.payment`). Each has a
    folder of its own in ``state``, so that one's orders are not in the other's tables.
    """
    state = state / gateway
    path = state / "logs" / "bench.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lines:
        programs = {"payment": ["proofs.bench.payment", str(state / LEDGER)]} if gateway == "instant" else {}
        running = Running(state, {}, partial(note, lines), progress, measured=True, programs=programs)
        await running.start()
        try:
            return await _measure(running, state, checkouts, gateway, progress)
        finally:
            await running.stop()


def note(lines: TextIO, name: str, line: str) -> None:
    """Write a line of a program's log."""
    lines.write(f"{as_json(name, line)}\n")


async def _measure(running: Running, state: Path, checkouts: int, gateway: str, progress: Callable[[str], None]) -> Result:
    settings = load_settings(running.environment)
    half = checkouts // 2
    async with load(settings) as driver:
        progress(f"Preparing {checkouts} carts")
        carts = await driver.prepare(checkouts)
        progress("Waiting until every consumer group has caught up")
        await _caught_up(settings)
        progress(f"Running {ALONE} checkouts one at a time")
        alone = await driver.alone(carts[:ALONE])
        cost = Cost(state, running.health_ports)
        async with background(cost.watch()):
            before = {name: await cost.requests(name) for name in (STATEMENTS, KAFKA_REQUESTS)}
            cpu = cost.cpu_seconds()
            progress(f"Running {half} checkouts at full load")
            rate = await driver.top(carts[ALONE : ALONE + half], WINDOW)
            used = {name: (seconds - cpu[name]) * 1000 / half for name, seconds in cost.cpu_seconds().items()}
            asked = {
                name: {service: (n - counts[service]) / half for service, n in (await cost.requests(name)).items()}
                for name, counts in before.items()
            }
            progress(f"Running {checkouts - half - ALONE} checkouts at 80 % of {rate:.0f} per second")
            paced = await driver.paced(carts[ALONE + half :], 0.8 * rate)
    progress("Checking the invariants across databases and gateway")
    report = await audit(settings, patience=60)
    return Result(
        gateway=gateway,
        cores=os.cpu_count() or 1,
        load_average=os.getloadavg()[0],
        checkouts=checkouts,
        per_second=rate,
        alone_p50=_quantile(alone, 0.5),
        alone_p99=_quantile(alone, 0.99),
        at_80_percent_p50=_quantile(paced, 0.5),
        at_80_percent_p99=_quantile(paced, 0.99),
        cpu_ms_per_checkout=used,
        peak_mb=cost.peak_mb,
        statements_per_checkout=asked[STATEMENTS],
        kafka_requests_per_checkout=asked[KAFKA_REQUESTS],
        violations=list(map(str, report.violations)),
    )


async def _caught_up(settings: Settings) -> None:
    """Wait until nobody has anything left to read: what is measured alone must be alone."""
    async with LagReader(settings) as reader, asyncio.timeout(CATCH_UP_SECONDS):
        while True:
            groups = (await reader.snapshot(settings.topic("quadrille.*"), "*")).groups.values()
            if not any(group.lag for group in groups):
                return
            await asyncio.sleep(LOOK_SECONDS)


def _quantile(sorted_seconds: list[float], part: float) -> float:
    return 1000 * sorted_seconds[min(len(sorted_seconds) - 1, int(part * len(sorted_seconds)))]


def show(result: Result, console: Console) -> None:
    """The figures, for people."""
    console.print(
        f"{result.checkouts} checkouts, gateway {result.gateway}, {result.cores} cores, load {result.load_average:.1f}\n"
        f"confirmed per second: {result.per_second:.0f}\n"
        f"command to OrderConfirmed, one at a time: p50 {result.alone_p50:.0f} ms, p99 {result.alone_p99:.0f} ms\n"
        f"at 80 % of the top rate: p50 {result.at_80_percent_p50:.0f} ms, p99 {result.at_80_percent_p99:.0f} ms\n"
        f"violations: {len(result.violations)}"
    )
    for violation in result.violations:
        console.print(violation, markup=False, soft_wrap=True)
    table = Table(
        "process", *map(number, ("CPU ms per checkout", "peak MB", "statements per checkout", "Kafka requests per checkout"))
    )
    for name, cpu in result.cpu_ms_per_checkout.items():
        asked = (result.statements_per_checkout.get(name), result.kafka_requests_per_checkout.get(name))
        cells = (f"{cpu:.2f}", f"{result.peak_mb[name]:.0f}", *("" if n is None else f"{n:.2f}" for n in asked))
        table.add_row(name, *cells)
    table.print(console)
