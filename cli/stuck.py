"""``quadrille stuck``: the checkouts that do not move, from the journal."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape

from cli.shell import print_json
from cli.table import Table, number, text
from cli.trace import journal_db
from services.journal import overview, queries
from services.journal.formatting import format_time
from services.journal.overview import Queue
from services.journal.queries import JournalLag
from services.journal.rendering import format_duration, lag_warning
from shared.progress import limits
from shared.settings import Settings


@dataclass(frozen=True)
class Report:
    """The stuck checkouts, and how far the journal has read."""

    stuck: list[Queue]
    lag: JournalLag


async def run_stuck(settings: Settings, console: Console, *, as_json: bool) -> bool:
    """Print all stuck checkouts; returns whether there are none."""
    async with journal_db(settings) as db:
        stuck = [queue for queue in await overview.waiting(db, limits(settings)) if queue.late]
        report = Report(stuck, await queries.lag(db))
    if as_json:
        print_json(_json(report), console)
    else:
        _show(report, console)
    return not report.stuck


def _show(report: Report, console: Console) -> None:
    if report.stuck:
        table = Table(
            *(text("waiting on"), "from", number("checkouts")),
            *(text("oldest since", 12), text("limit", 10, drop=1), text("examples", 14)),
        )
        for stuck in report.stuck:
            events = " or ".join(kind.__name__ for kind in stuck.step.answers)
            waited = format_duration((report.lag.now - stuck.since).total_seconds())
            since = f"{stuck.since:%Y-%m-%d} {format_time(stuck.since)[:8]} UTC ({waited})"
            limit = format_duration(stuck.limit) if stuck.limit else "needs a person"
            examples = escape("\n".join(stuck.examples))
            table.add_row(f"{stuck.step.what}:\n{events}", stuck.step.who, str(stuck.late), since, limit, examples)
        table.print(console)
        console.print("For details, run `quadrille trace CHECKOUT`")
    else:
        console.print("No checkout is stuck")
    if warning := lag_warning(report.lag):
        console.print(f"[yellow]{warning}[/]")


def _json(report: Report) -> dict[str, Any]:
    return {
        "stuck": [
            {
                "step": stuck.step.name,
                "what": stuck.step.what,
                "events": [kind.__name__ for kind in stuck.step.answers],
                "who": stuck.step.who,
                "checkouts": stuck.late,
                "since": stuck.since.isoformat(),
                "should_take": stuck.limit,
                "examples": stuck.examples,
            }
            for stuck in report.stuck
        ],
        "journal": {"behind": report.lag.records, "at": report.lag.reported_at.isoformat() if report.lag.reported_at else None},
    }
