"""A trace as lines for people and as JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from services.journal.formatting import Mark, format_entry, format_time, mark, title
from services.journal.rendering import Line, Row, Tone, describe_entry, format_gap, heading, rows, status_lines
from services.journal.reports import CheckoutReport
from services.journal.timeline import Node
from services.journal.trace import Trace

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
"""Characters told of who wrote an entry: a client may call itself anything."""


class Printer:
    """Tells a story to people, line by line, in columns as wide as its first telling needs."""

    def __init__(self, console: Console, trace: Trace) -> None:
        self._console, self._asked = console, trace.message_id
        nodes = rows(trace)
        self._title = max((2 * depth + len(title(node.entry)) for depth, node in nodes), default=0)
        self._service = min(MAX_SERVICE, max((len(node.entry.service) for _, node in nodes), default=0))

    def heading(self, trace: Trace) -> None:
        """What the story is of."""
        self._console.print(f"[bold]{escape(heading(trace))}[/]", soft_wrap=True)

    def entries(self, new: Sequence[Row]) -> None:
        """These entries, a line each."""
        for depth, node in new:
            self._console.print(self._line(depth, node), soft_wrap=True)

    def _line(self, depth: int, node: Node) -> str:
        entry = node.entry
        sign, colour = SIGNS[marked] if (marked := mark(entry)) else (" ", "default")
        branch = f"{'  ' * (depth - 1)}└ " if depth else ""
        name = escape(f"{branch}{title(entry)}".ljust(self._title))
        asked = "[bold]▶[/]" if entry.message_id == self._asked and self._asked else " "
        service = escape(entry.service[:MAX_SERVICE].ljust(self._service))
        said = escape(describe_entry(node))
        when = f"{asked}[dim]{format_time(entry.at)}[/] {format_gap(node):>9}"
        return f"{when} [{colour}]{sign} {name}[/]  [dim]{service}[/]  {said}".rstrip()

    def status(self, trace: Trace) -> None:
        """Where it stands."""
        for line in status_lines(trace):
            self._console.print(_styled(line), soft_wrap=True)


class JsonLines:
    """Tells a story to programs, a line of JSON for each entry and for each change of where it stands."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, trace: Trace) -> None:
        """Nothing: every line stands for itself."""

    def entries(self, new: Sequence[Row]) -> None:
        """These entries, a line each."""
        for depth, node in new:
            self._line(entry_json(depth, node))

    def status(self, trace: Trace) -> None:
        """Where it stands."""
        self._line({"checkouts": [report_json(one) for one in trace.checkouts]})

    def _line(self, content: object) -> None:
        self._console.print(json.dumps(content), soft_wrap=True, markup=False)


def _styled(line: Line) -> str:
    return f"{escape(line.before)}[{STYLES[line.tone]}]{escape(line.highlighted)}[/]{escape(line.after)}"


def entry_json(depth: int, node: Node) -> dict[str, Any]:
    """One entry, for programs. ``gap_ms``: since its cause."""
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


def report_json(one: CheckoutReport) -> dict[str, Any]:
    """Where a checkout stands, for programs."""
    return {**asdict(one), "waits": [asdict(w) | {"since": w.since.isoformat()} for w in one.waits], "finished": one.finished}


def trace_json(trace: Trace) -> dict[str, Any]:
    """A whole trace, for programs."""
    at: datetime | None = trace.lag.reported_at
    return {
        "key": trace.key,
        "checkout_id": trace.checkout_id,
        "checkouts": [report_json(one) for one in trace.checkouts],
        "journal": {"behind": trace.lag.records, "at": at.isoformat() if at else None},
        "entries": [entry_json(depth, node) for depth, node in rows(trace)],
    }
