"""``python -m proofs.bench.endurance``: an hour, or more, at a steady rate, and what it did to memory, tables, lag and latency.

First very many customers at once show the top rate, then they come at a share of it. What is judged is whether the last
third of the time looks as the one before it did: what grows with every customer would show.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.audit import audit
from cli.shell import console, run
from cli.table import Table, number
from devstack.up import Running
from proofs.bench.charts import charts
from proofs.bench.load import watching
from proofs.bench.run import caught_up, system_of_its_own
from proofs.bench.samples import Sample, Sampler
from proofs.bench.steady import Steady
from shared.lag.reader import LagReader
from shared.settings import Settings
from shared.settings import load as load_settings

SETTINGS: Final = {"QUADRILLE_RESERVATION_SECONDS": "60", "QUADRILLE_SESSION_SECONDS": "120"}
"""Who leaves is forgotten within minutes, so that deadlines come and go all the time."""
BURST: Final = 3_000
"""Customers who come at once, to find the top rate."""
SAMPLE_SECONDS: Final = 60.0
GLANCES: Final = 6
"""So often within a sample the lags are looked at."""
TOUCHED: Final = "-XX:+AlwaysPreTouch"
"""Kafka's heap has one size and is in memory from the start: taken bit by bit it looks like growth for an hour."""
PATIENCE_SECONDS: Final = 240.0
"""For the audit at the end: the last who left have to be forgotten first."""
GROWTH: Final = 1.10
"""By so much the median of the last third may exceed that of the second: memory and tables are counted, not timed."""
SLOWER: Final = 1.25
"""The same for latencies and lags, which depend on what else the machine does: at a steady rate a lag is a time."""
ROWS: Final = 200
"""Fewer rows or records than this are a few customers who happen to be under way: no growth."""


@dataclass(frozen=True)
class Result:
    """What was measured, minute by minute, and what is wrong with it."""

    top: float
    rate: float
    samples: list[Sample]
    growing: list[str]
    violations: list[str]


async def measure(state: Path, minutes: float, share: float, rate: float | None) -> Result:
    """Customers for so many minutes, at ``rate`` a second or at that share of the top rate."""
    async with system_of_its_own(state, "endurance", SETTINGS, console.print, instant=False) as running:
        settings = load_settings(running.environment)
        async with watching(Steady, settings) as customers:
            top = rate / share if rate else await _top(customers, settings)
            console.print(f"Top rate: {top:.0f} customers a second. {minutes:g} minutes at {share:.0%} of it")
            samples = await _watch(running, state, customers, share * top, 60 * minutes)
        await caught_up(settings, console.print)
        console.print("Checking the invariants")
        report = await audit(settings, patience=PATIENCE_SECONDS)
    return Result(top, share * top, samples, growing(samples), list(map(str, report.violations)))


async def _top(customers: Steady, settings: Settings) -> float:
    """Customers a second when very many come at once, until nobody has anything left to read of them.

    Of two such bursts: the first also makes connections and plans.
    """
    rates = []
    for _ in range(2):
        started = time.monotonic()
        await customers.run(BURST, 1)
        await caught_up(settings, console.print)
        rates.append(BURST / (time.monotonic() - started))
    return max(rates)


async def _watch(running: Running, state: Path, customers: Steady, rate: float, seconds: float) -> list[Sample]:
    settings = load_settings(running.environment)
    sampler = Sampler(settings, state, running.health_ports, customers)
    samples: list[Sample] = []
    try:
        async with LagReader(settings) as reader:
            await _age(sampler, customers, rate, seconds)
            await sampler.glance(reader)
            await sampler.look()  # the first minute begins here
            shopping = asyncio.create_task(customers.run(rate, seconds))
            while not shopping.done():
                for _ in range(GLANCES):
                    await asyncio.wait([shopping], timeout=SAMPLE_SECONDS / GLANCES)
                    await sampler.glance(reader)
                samples.append(await sampler.look())
                console.print(_line(samples[-1]))
            await shopping
    finally:
        await sampler.close()
    return samples


async def _age(sampler: Sampler, customers: Steady, rate: float, seconds: float) -> None:
    """As much to forget as there will be to remember: what a customer makes a service remember is tried first."""
    tried = max(1.0, 20 * rate)
    before = await sampler.inboxes()
    await customers.run(rate, tried / rate)
    after = await sampler.inboxes()
    console.print("Putting the messages of as long a time into every inbox, to be forgotten one by one")
    await sampler.age({name: int((after[name] - before[name]) / tried * rate * seconds) for name in after}, seconds)


def growing(samples: Sequence[Sample]) -> list[str]:
    """What the last third of the time has more of than the second, by more than it may."""
    third = len(samples) // 3
    if not third:
        return []
    second, last = samples[third : 2 * third], samples[2 * third :]
    limits: dict[str, tuple[Callable[[Sample], Mapping[str, float]], float, float]] = {
        "memory of": (lambda s: s.memory, GROWTH, 0),
        "inbox of": (lambda s: s.inbox, GROWTH, ROWS),
        "outbox of": (lambda s: s.outbox, GROWTH, ROWS),
        "deadlines of": (lambda s: s.deadlines, GROWTH, ROWS),
        "lag of": (lambda s: s.lag, SLOWER, ROWS),
        "latency": (lambda s: {"p50": s.p50, "p99": s.p99}, SLOWER, 0),
    }
    found = []
    for what, (values, allowed, ignored) in limits.items():
        for name in values(last[-1]):
            was, is_ = (statistics.median(values(s)[name] for s in part) for part in (second, last))
            if is_ > ignored and is_ > allowed * was:
                found.append(f"{what} {name}: {was:.0f} in the second third, {is_:.0f} in the last")
    return found


def _of(field: str, name: str) -> Callable[[Sample], float]:
    return lambda sample: float(getattr(sample, field)[name])


def _line(sample: Sample) -> str:
    return (
        f"{sample.minute:5.1f} min  {sample.confirmed} of {sample.customers} confirmed, p50 {sample.p50:.0f} ms,"
        f" p99 {sample.p99:.0f} ms, {sum(sample.memory.values()):.0f} MB, lag {sum(sample.lag.values())},"
        f" inboxes {sum(sample.inbox.values())}, loop {sample.machine:.0f} ms"
    )


def show(result: Result) -> None:
    """Thirds, side by side."""
    third = max(1, len(result.samples) // 3)
    thirds = [result.samples[:third], result.samples[third : 2 * third], result.samples[2 * third :]]
    table = Table("median of a minute", number("first third"), number("second"), number("last"))

    def row(what: str, value: Callable[[Sample], float], form: str = ".0f") -> None:
        table.add_row(what, *(format(statistics.median(map(value, part)), form) if part else "" for part in thirds))

    row("latency p50, ms", lambda s: s.p50)
    row("latency p99, ms", lambda s: s.p99)
    for name in result.samples[-1].memory:
        row(f"{name}, MB", _of("memory", name))
    for name in result.samples[-1].inbox:
        row(f"inbox of {name}, rows", _of("inbox", name))
    row("outboxes, rows", lambda s: sum(s.outbox.values()))
    row("deadlines, rows", lambda s: sum(s.deadlines.values()))
    row("lag of all groups, records", lambda s: sum(s.lag.values()))
    row("CPU of all processes, ms a customer", lambda s: sum(s.cpu.values()), ".2f")
    row("fixed loop, ms", lambda s: s.machine)
    table.print(console)
    for wrong in (*result.growing, *result.violations):
        console.print(wrong, markup=False, soft_wrap=True)


def main(
    minutes: Annotated[float, typer.Option(min=1, help="How long.")] = 60,
    share: Annotated[float, typer.Option(min=0.01, max=1, help="Of the top rate.")] = 0.6,
    rate: Annotated[float | None, typer.Option(min=0.1, help="Customers a second, in place of a measured share.")] = None,
    state: Annotated[Path, typer.Option(help="Where the stack keeps its state.")] = Path(".quadrille/bench/endurance"),
    out: Annotated[Path | None, typer.Option(help="A file for all samples, as JSON; the charts are put beside it.")] = None,
) -> None:
    """Measure it, print the thirds of the time side by side; exit code 1 where anything grows or is wrong."""
    os.environ["JAVA_TOOL_OPTIONS"] = TOUCHED
    result = run(measure(state, minutes, share, rate))
    if out:
        out.write_text(json.dumps(asdict(result), indent=1))
        out.with_suffix(".md").write_text(charts(result.samples))
    show(result)
    raise typer.Exit(1 if result.growing or result.violations else 0)


if __name__ == "__main__":
    typer.run(main)
