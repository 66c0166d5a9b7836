"""The report of a chaos run: faults by kind, checkouts by outcome, and violations."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

from cli.table import Table, number
from proofs.chaos.schedule import Injection
from shared.contract.text import counted


@dataclass(frozen=True)
class Hit:
    """An injection, and the seconds from its end until a checkout in every partition was confirmed; ``None``: never."""

    injection: Injection
    seconds: float | None


@dataclass(frozen=True)
class Report:
    """The result of a run. ``stories``: customers; ``as_planned``: those with the outcome they have without faults."""

    seed: int
    minutes: float
    brokers: int
    hits: list[Hit]
    stories: int
    as_planned: int
    checkouts: dict[str, int]
    open_alerts: int
    restarts: dict[str, int]
    settled_seconds: float
    not_possible: list[str]
    violations: list[str] = field(default_factory=list)

    @property
    def by_kind(self) -> dict[str, list[float | None]]:
        """The recovery times of each kind of fault, in seconds; a pair counts for both kinds."""
        found: dict[str, list[float | None]] = {}
        for hit in self.hits:
            for fault in hit.injection.faults:
                found.setdefault(fault.kind, []).append(hit.seconds)
        return dict(sorted(found.items()))


def as_json(report: Report) -> dict[str, object]:
    """The report for JSON."""
    return {
        "seed": report.seed,
        "minutes": round(report.minutes, 1),
        "brokers": report.brokers,
        "faults": {kind: _figures(seconds) for kind, seconds in report.by_kind.items()},
        "injections": [{"faults": [str(f) for f in hit.injection.faults], "seconds": hit.seconds} for hit in report.hits],
        "stories": report.stories,
        "as_planned": report.as_planned,
        "checkouts": report.checkouts,
        "open_alerts": report.open_alerts,
        "restarts": report.restarts,
        "settled_seconds": round(report.settled_seconds, 1),
        "not_possible": report.not_possible,
        "violations": report.violations,
    }


def _figures(seconds: Sequence[float | None]) -> dict[str, float | int]:
    known = [s for s in seconds if s is not None]
    figures: dict[str, float | int] = {"count": len(seconds), "not_recovered": len(seconds) - len(known)}
    return figures | ({"p50": round(statistics.median(known), 1), "max": round(max(known), 1)} if known else {})


def show(report: Report, console: Console) -> None:
    """Print the report."""
    table = Table("fault", number("count"), number("p50 s"), number("max s"), title=f"Recovery times (seed {report.seed})")
    for kind, seconds in report.by_kind.items():
        figures = _figures(seconds)
        table.add_row(kind, str(figures["count"]), str(figures.get("p50", "")), str(figures.get("max", "")))
    table.print(console)
    table = Table("checkouts", number(""), title=f"{sum(report.checkouts.values())} checkouts in {report.minutes:.1f} minutes")
    for outcome, count in report.checkouts.items():
        table.add_row(outcome, str(count))
    table.print(console)
    console.print(
        f"{counted(report.stories, 'customer')}, {report.as_planned} with the same outcome as without faults;"
        f" {counted(report.open_alerts, 'open alert')}; all finished {report.settled_seconds:.0f} s after the last fault"
    )
    for kind in report.not_possible:
        console.print(f"not possible on this machine: {kind}", markup=False)
    for violation in report.violations:
        console.print(f"[red]{escape(violation)}[/]", soft_wrap=True)
    colour = "red" if report.violations else "green"
    console.print(f"[{colour}]{counted(len(report.violations), 'violation')}[/]")
