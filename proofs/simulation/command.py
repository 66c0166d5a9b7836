"""The three ways to simulate."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from rich.console import Console

from cli.table import Table, number, text
from proofs.simulation.cases import CASES
from proofs.simulation.coverage import Coverage
from proofs.simulation.explore import explore
from proofs.simulation.run import replay, run
from proofs.simulation.show import as_data, show, show_lines
from proofs.simulation.watch import BrokenError
from proofs.simulation.workload import generate

EVERY_SECONDS = 2.0
Say = Callable[[str], None]


def simulate(checkouts: int, seed: int, jobs: int, say: Say) -> tuple[bool, dict[str, Any], Callable[[Console], None]]:
    """Play so many checkouts; returns whether all was right, the figures, and how to show them."""
    started = time.monotonic()
    due = started + EVERY_SECONDS

    def progress(coverage: Coverage) -> None:
        nonlocal due
        if time.monotonic() >= due:
            rate = coverage.checkouts / (time.monotonic() - started)
            say(f"{coverage.checkouts:,} of {checkouts:,} checkouts, {rate:,.0f} per second")
            due = time.monotonic() + EVERY_SECONDS

    result = run(checkouts, seed, jobs, progress)
    seconds = time.monotonic() - started
    return result.failure is None, as_data(result, seconds), lambda console: show(result, seconds, console)


def play_again(seed: int) -> tuple[bool, dict[str, Any], Callable[[Console], None]]:
    """One story, line by line; returns as :func:`simulate`."""
    lines = replay(generate(seed))
    right = not any("BROKEN" in line for line in lines)
    return right, {"seed": seed, "right": right, "timeline": lines}, lambda console: show_lines(lines, console)


def every_order(say: Say) -> tuple[bool, dict[str, Any], Callable[[Console], None]]:
    """Every order of the small cases; returns as :func:`simulate`."""
    table = Table("case", number("orders"), number("states"), number("ends"), text("violation"))
    found: dict[str, Any] = {}
    for case in CASES.values():
        say(case.name)
        try:
            explored = explore(case.before, case.at_once, case.budget)
        except BrokenError as broken:
            found[case.name] = {"wrong": str(broken)}
            table.add_row(case.name, "", "", "", str(broken))
            continue
        found[case.name] = asdict(explored) | {"races": sorted(explored.races)}
        table.add_row(case.name, f"{explored.orders:,}", f"{explored.states:,}", str(explored.ends), "")
    right = not any("wrong" in case for case in found.values())
    return right, found, lambda console: table.print(console)
