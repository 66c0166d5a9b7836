"""The report of a simulation as text and as JSON."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape

from cli.table import Table, number, text
from proofs.simulation.coverage import Coverage
from proofs.simulation.places import Place, named, places
from proofs.simulation.run import Failure, Result


def as_data(result: Result, seconds: float) -> dict[str, Any]:
    """The report for JSON."""
    it, failure = result.coverage, result.failure
    return {
        "stories": it.stories,
        "checkouts": it.checkouts,
        "orders": it.orders,
        "steps": it.steps,
        "seconds": round(seconds, 1),
        "races": dict(it.races),
        "faults": {str(fault): times for fault, times in it.faults.items()},
        "places": {named(place): times for place, times in it.places.items()},
        "redriven": {f"{service}: {kind}": times for (service, kind), times in it.redriven.items()},
        "never": it.unreached(),
        "unforeseen": it.unforeseen(),
        "failure": failure and {"seed": failure.seed, "wrong": failure.wrong, "timeline": failure.lines},
    }


def show(result: Result, seconds: float, console: Console) -> None:
    """Print how often races, faults and reactions happened, and which never did; or the case that failed."""
    it = result.coverage
    if result.failure is None:
        _show_coverage(it, console)
    console.print(
        f"{it.checkouts:,} checkouts in {it.stories:,} cases, {it.orders:,} with an order, {it.steps:,} steps, {seconds:.1f} s,"
        f" {it.checkouts / seconds:,.0f} checkouts per second"
    )
    if result.failure is None:
        console.print("[green]No invariant is violated[/]")
    else:
        show_failure(result.failure, console)


def show_failure(failure: Failure, console: Console) -> None:
    """Print the shortest case and its timeline."""
    console.print(f"[red]Case {failure.seed} violates an invariant.[/] The shortest case found that violates the same:\n")
    for action in failure.story.actions:
        console.print(f"  {escape(str(action))}", soft_wrap=True)
    console.print()
    show_lines(failure.lines, console)
    console.print(f"\nTo see the whole case, run `quadrille simulate --replay {failure.seed}`")


def show_lines(lines: tuple[str, ...], console: Console) -> None:
    """Print a timeline."""
    for line in lines:
        style = "red" if "BROKEN" in line else "yellow" if "FAULT" in line else None
        console.print(escape(line), style=style, soft_wrap=True)


def _show_coverage(coverage: Coverage, console: Console) -> None:
    for title, counted in (("race", coverage.races), ("fault", coverage.faults)):
        table = Table(title, number("times"))
        for name, times in counted.most_common():
            table.add_row(str(name), f"{times:,}")
        table.print(console)
    table = Table("service", "reaction", text("calls by state of the aggregate", 16), text("never in state", 10))
    for (service, reaction), states in sorted(_by_reaction(places()).items()):
        seen = Counter({state or "new": coverage.places[service, reaction, state] for state in states})
        often = " · ".join(f"{state} {times:,}" for state, times in seen.most_common() if times)
        table.add_row(service, reaction, often, ", ".join(state for state, times in seen.items() if not times))
    table.print(console)
    if unforeseen := coverage.unforeseen():
        console.print(f"[red]Reached, though declared unreachable:[/] {'; '.join(unforeseen)}", soft_wrap=True)
    for what, names in coverage.unreached().items():
        if what != "reactions by state":
            console.print(f"Never reached {what}: {'; '.join(names) or 'none'}", soft_wrap=True)


def _by_reaction(found: Iterable[Place]) -> dict[tuple[str, str], list[Any]]:
    grouped: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for service, reaction, state in found:
        grouped[service, reaction].append(state)
    return grouped
