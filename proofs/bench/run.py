"""The bench: latency and cost at several rates, the top rate, and an audit of what was done."""

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from rich.console import Console

from cli.audit import audit
from cli.table import Table, number
from proofs.bench.cost import KAFKA_REQUESTS, STATEMENTS, Cost
from proofs.bench.load import Load, load
from shared.errors import QuadrilleError
from shared.lag.reader import LagReader
from shared.settings import ADDRESSES, PREFIX, Settings
from shared.settings import load as load_settings

ROOT: Final = Path(__file__).parents[2]
ALONE: Final = 50
RATES: Final = (25, 100, 250)
"""Checkouts offered a second, one rate after the other."""
TOP_SECONDS: Final = 6
"""How long the top rate is measured, at 400 a second."""
CUSTOMERS: Final = 600
WINDOW: Final = 1_000
"""Checkouts under way at the top rate."""
CATCH_UP_SECONDS: Final = 300
LOOK_SECONDS: Final = 1.0
PAIRS: Final = 3
"""Runs of each revision that are compared, one after the other in turn."""


class BenchError(QuadrilleError):
    """The system that was to be measured could not be started."""


@dataclass(frozen=True)
class Point:
    """What was measured at one rate. Latencies in milliseconds from the command to ``OrderConfirmed``; costs by process."""

    name: str
    per_second: float
    p50: float | None
    p99: float | None
    cpu_ms: Mapping[str, float]
    statements: Mapping[str, float]
    kafka_requests: Mapping[str, float]


@dataclass(frozen=True)
class Result:
    """One run. ``revision``: what was measured, or nothing for this tree."""

    revision: str
    gateway: str
    members: int
    cores: int
    load_average: float
    points: Sequence[Point]
    violations: Sequence[str]


@dataclass(frozen=True)
class Bench:
    """What is run: ``seconds`` at each rate, on so many ``members`` of each service.

    ``gateway``: ``http`` is the sandbox, ``instant`` one within payment's process (:mod:`proofs.bench.payment`).
    """

    state: Path
    gateway: str
    members: int
    seconds: int
    progress: Callable[[str], None]

    async def run(self, tree: Path = ROOT, revision: str = "") -> Result:
        """Measure a checkout of this repository. Its orders are in a folder of its own."""
        state = self.state.absolute() / self.gateway / (revision or "here")
        async with _subject(tree, state, self.gateway, self.members) as (process, up):
            names = {f"{PREFIX}{name}".upper() for name in (*Settings.model_fields, *ADDRESSES)}
            known = {name: value for name, value in up["environment"].items() if name in names}
            settings = load_settings(known)
            async with load(settings) as driver:
                points = [point async for point in self._points(driver, settings, Cost(process.pid, state, up["ports"]))]
            self.progress("Checking the invariants across databases and gateway")
            violations = [] if revision else (await audit(settings, patience=60)).violations
        cores, busy = os.cpu_count() or 1, os.getloadavg()[0]
        return Result(revision, self.gateway, self.members, cores, busy, points, list(map(str, violations)))

    async def _points(self, driver: Load, settings: Settings, cost: Cost) -> AsyncIterator[Point]:
        counts = [ALONE, *(rate * self.seconds for rate in RATES), TOP_SECONDS * 400]
        self.progress(f"Preparing {sum(counts)} carts")
        carts = iter(await driver.prepare(sum(counts)))
        groups = [[next(carts) for _ in range(count)] for count in counts]
        await _caught_up(settings)
        self.progress(f"Running {ALONE} checkouts one at a time")
        yield await _measured(cost, "one at a time", groups[0], driver.alone)
        for rate, group in zip(RATES, groups[1:], strict=False):
            self.progress(f"Running {len(group)} checkouts at {rate} per second")
            yield await _measured(cost, f"{rate} a second", group, partial(driver.paced, rate=rate))
        self.progress(f"Running {len(groups[-1])} checkouts at full load")
        yield await _measured(cost, "top", groups[-1], partial(driver.top, window=WINDOW))
        self.progress(f"Running {CUSTOMERS} customers with all their commands at full load")
        yield await _measured(cost, "customers, top", [""] * CUSTOMERS, lambda carts: driver.customers(len(carts), WINDOW))


async def _measured(cost: Cost, name: str, carts: Sequence[str], run: Callable[[Sequence[str]], Any]) -> Point:
    counters = (STATEMENTS, KAFKA_REQUESTS)
    before = [cost.cpu_seconds(), *[await cost.requests(counter) for counter in counters]]
    seconds, latencies = await run(carts)
    after = [cost.cpu_seconds(), *[await cost.requests(counter) for counter in counters]]
    used = [{key: (now[key] - then[key]) / len(carts) for key in now} for then, now in zip(before, after, strict=True)]
    p50, p99 = (_quantile(latencies, part) if latencies else None for part in (0.5, 0.99))
    return Point(name, len(carts) / seconds, p50, p99, {key: 1000 * n for key, n in used[0].items()}, used[1], used[2])


def _quantile(sorted_seconds: Sequence[float], part: float) -> float:
    return 1000 * sorted_seconds[min(len(sorted_seconds) - 1, int(part * len(sorted_seconds)))]


async def _caught_up(settings: Settings) -> None:
    """Wait until nobody has anything left to read: what is measured alone must be alone."""
    async with LagReader(settings) as reader, asyncio.timeout(CATCH_UP_SECONDS):
        while True:
            groups = (await reader.snapshot(settings.topic("quadrille.*"), "*")).groups.values()
            if not any(group.lag for group in groups):
                return
            await asyncio.sleep(LOOK_SECONDS)


@contextlib.asynccontextmanager
async def _subject(
    tree: Path, state: Path, gateway: str, members: int
) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    """The system of a checkout, running, with what it says of itself. Raises :class:`BenchError`."""
    program = [sys.executable, "-P", str(Path(__file__).with_name("subject.py")), str(state), gateway, str(members)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*program, cwd=tree, env=environment, stdin=pipe, stdout=pipe)
    assert process.stdin
    assert process.stdout
    try:
        line = await process.stdout.readline()
        if not line:
            raise BenchError(f"the system of {tree} did not start; the log is {state / 'logs' / 'bench.log'}")
        yield process, json.loads(line)
    finally:
        process.stdin.close()
        await process.wait()


# --- against another revision


def checkout(revision: str, folder: Path) -> str:
    """Put the files of another revision into a folder; returns its short name. Raises :class:`BenchError`."""
    found = subprocess.run(["git", "rev-parse", "--short", f"{revision}^{{commit}}"], cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        raise BenchError(f"git knows no revision {revision!r}: {found.stderr.strip()}")
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as files:
        files.extractall(folder, filter="data")
    return found.stdout.strip()


async def compare(bench: Bench, revision: str) -> list[Result]:
    """Measure this tree and another revision, in turn."""
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        name = await asyncio.to_thread(checkout, revision, Path(folder))
        for n in range(PAIRS):
            bench.progress(f"Pair {n + 1} of {PAIRS}")
            results += [await bench.run(), await bench.run(Path(folder), name)]
    return results


# --- for people


def show(results: Sequence[Result], console: Console) -> None:
    """The figures: of one run, or the medians of two revisions beside each other with their ratio."""
    first = results[0]
    console.print(
        f"gateway {first.gateway}, {first.members} of each service, {first.cores} cores, load {first.load_average:.1f},"
        f" {len(results)} {'run' if len(results) == 1 else 'runs'}, medians"
    )
    others = [result for result in results if result.revision]
    table = Table("", *map(number, ("a second", "p50 ms", "p99 ms", "CPU ms a checkout", "statements", "Kafka requests")))
    for n, point in enumerate(first.points):
        here = _figures([result.points[n] for result in results if not result.revision])
        table.add_row(point.name, *map(_cell, here))
        if others:
            there = _figures([result.points[n] for result in others])
            table.add_row(f"  {others[0].revision}", *map(_cell, there))
            table.add_row(
                "  ratio", *(_cell(a / b if a is not None and b else None, 2) for a, b in zip(here, there, strict=True))
            )
    table.print(console)
    if not others:
        _show_cost(first, console)
    violations = [violation for result in results for violation in result.violations]
    console.print(f"violations: {len(violations)}")
    for violation in violations:
        console.print(violation, markup=False, soft_wrap=True)


def _show_cost(result: Result, console: Console) -> None:
    table = Table("CPU ms a checkout", *(number(point.name) for point in result.points))
    for name in result.points[0].cpu_ms:
        table.add_row(name, *(f"{point.cpu_ms[name]:.2f}" for point in result.points))
    table.print(console)


def _figures(points: Sequence[Point]) -> list[float | None]:
    """Medians over runs, all processes together."""
    rows = [
        (p.per_second, p.p50, p.p99, *(sum(by.values()) for by in (p.cpu_ms, p.statements, p.kafka_requests))) for p in points
    ]
    return [None if None in column else median(column) for column in zip(*rows, strict=True)]


def _cell(figure: float | None, digits: int = 1) -> str:
    return "" if figure is None else f"{figure:.{digits}f}"
