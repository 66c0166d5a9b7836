"""``quadrille trace``: prints what happened, once or until the checkouts are finished."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from cli.shell import print_json
from services.journal import queries
from services.journal.formatting import Mark, format_entry, format_time, mark, title
from services.journal.rendering import Line, Row, Tone, describe_entry, format_gap, heading, rows, status_lines
from services.journal.reports import CheckoutReport
from services.journal.timeline import Node
from services.journal.trace import Trace, one, trace
from shared.progress import limits
from shared.settings import Settings

FOLLOW_SECONDS: Final = 0.3
SIGNS: Final = {Mark.FAILED: ("✗", "red"), Mark.UNDONE: ("↩", "yellow"), Mark.DONE: ("✓", "green")}
STYLES: Final = {
    Tone.PLAIN: "default",
    Tone.DONE: "bold green",
    Tone.WAITS: "bold yellow",
    Tone.LATE: "bold red",
    Tone.FAILED: "red",
    Tone.DOUBT: "yellow",
}
MAX_SERVICE: Final = 20
"""Characters shown of the service of an entry; a client may use any name."""


@asynccontextmanager
async def journal_db(settings: Settings) -> AsyncIterator[Any]:
    """A connection to the journal's database."""
    db = await queries.connect(settings.database_url("journal"))
    try:
        yield db
    finally:
        await db.close()


async def run_trace(settings: Settings, name: str, console: Console, *, follow: bool, as_json: bool) -> bool:
    """Print the trace of what ``name`` matches; returns whether no checkout is overdue or needs a person.

    Raises :class:`services.journal.trace.NotOneError` if the name matches nothing or more than one thing.
    """
    async with journal_db(settings) as db:
        match = await one(db, name)
        found = await trace(db, match, limits(settings))
        if follow:
            printer = JsonLines(console) if as_json else Printer(console, found)
            found = await _follow(found, lambda: trace(db, match, limits(settings)), printer)
        elif as_json:
            print_json(trace_json(found), console)
        else:
            _print(found, console)
    return not any(report.late for report in found.checkouts)


def _print(found: Trace, console: Console) -> None:
    printer = Printer(console, found)
    printer.heading(found)
    if found.shortened:
        console.print(f"Only the latest {queries.ENTRY_LIMIT} entries are shown")
    printer.entries(rows(found))
    printer.status(found)


async def _follow(found: Trace, poll: Callable[[], Awaitable[Trace]], printer: "Printer | JsonLines") -> Trace:
    """Print new entries and changes of status until the checkouts are finished."""
    known: set[tuple[str, int, int]] = set()
    last_status: object = None
    printer.heading(found)
    while True:
        new = [(depth, node) for depth, node in rows(found) if node.entry.place not in known]
        known |= {node.entry.place for _, node in new}
        printer.entries(new)
        status = [(report.outcome, [(step.step, step.late) for step in report.waits]) for report in found.checkouts]
        if status != last_status:
            last_status = status
            printer.status(found)
        if found.finished:
            return found
        await asyncio.sleep(FOLLOW_SECONDS)
        found = await poll()


class Printer:
    """Prints a trace as text, in columns as wide as its first entries need."""

    def __init__(self, console: Console, trace: Trace) -> None:
        self._console, self._asked = console, trace.message_id
        nodes = rows(trace)
        self._title = max((2 * depth + len(title(node.entry)) for depth, node in nodes), default=0)
        self._service = min(MAX_SERVICE, max((len(node.entry.service) for _, node in nodes), default=0))

    def heading(self, trace: Trace) -> None:
        """Print what the trace is about."""
        self._console.print(f"[bold]{escape(heading(trace))}[/]", soft_wrap=True)

    def entries(self, new: Sequence[Row]) -> None:
        """Print one line per entry."""
        for depth, node in new:
            self._console.print(self._line(depth, node), soft_wrap=True)

    def _line(self, depth: int, node: Node) -> str:
        entry = node.entry
        sign, colour = SIGNS[marked] if (marked := mark(entry)) else (" ", "default")
        branch = f"{'  ' * (depth - 1)}└ " if depth else ""
        name = escape(f"{branch}{title(entry)}".ljust(self._title))
        asked = "[bold]▶[/]" if entry.message_id == self._asked and self._asked else " "
        service = escape(entry.service[:MAX_SERVICE].ljust(self._service))
        description = escape(describe_entry(node))
        when = f"{asked}[dim]{format_time(entry.at)}[/] {format_gap(node):>9}"
        return f"{when} [{colour}]{sign} {name}[/]  [dim]{service}[/]  {description}".rstrip()

    def status(self, trace: Trace) -> None:
        """Print the status of each checkout."""
        for line in status_lines(trace):
            self._console.print(_styled(line), soft_wrap=True)


class JsonLines:
    """Prints a trace as lines of JSON: one for each entry, and one for each change of status."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, trace: Trace) -> None:
        """Print nothing: every line is complete."""

    def entries(self, new: Sequence[Row]) -> None:
        """Print one line per entry."""
        for depth, node in new:
            self._line(entry_json(depth, node))

    def status(self, trace: Trace) -> None:
        """Print the status of all checkouts."""
        self._line({"checkouts": [report_json(report) for report in trace.checkouts]})

    def _line(self, content: object) -> None:
        self._console.print(json.dumps(content), soft_wrap=True, markup=False)


def _styled(line: Line) -> str:
    return f"{escape(line.before)}[{STYLES[line.tone]}]{escape(line.highlighted)}[/]{escape(line.after)}"


def entry_json(depth: int, node: Node) -> dict[str, Any]:
    """One entry for JSON. ``gap_ms``: milliseconds since its cause."""
    entry = node.entry
    return {
        "depth": depth,
        "at": entry.at.isoformat(),
        "recorded_at": entry.recorded_at.isoformat(),
        "gap_ms": round(node.gap.total_seconds() * 1000) if node.gap is not None else None,
        "form": entry.form,
        "type": entry.kind,
        "mark": mark(entry),
        "service": entry.service,
        "checkout_id": entry.checkout_id,
        "message_id": entry.message_id,
        "cause": entry.cause,
        "text": format_entry(entry),
        "facts": entry.facts,
        "topic": entry.topic,
        "partition": entry.partition,
        "offset": entry.offset,
    }


def report_json(report: CheckoutReport) -> dict[str, Any]:
    """The status of a checkout for JSON."""
    waits = [asdict(step) | {"since": step.since.isoformat()} for step in report.waits]
    return {**asdict(report), "waits": waits, "finished": report.finished}


def trace_json(trace: Trace) -> dict[str, Any]:
    """A trace for JSON."""
    at: datetime | None = trace.lag.reported_at
    return {
        "key": trace.key,
        "checkout_id": trace.checkout_id,
        "checkouts": [report_json(report) for report in trace.checkouts],
        "journal": {"behind": trace.lag.records, "at": at.isoformat() if at else None},
        "entries": [entry_json(depth, node) for depth, node in rows(trace)],
    }
