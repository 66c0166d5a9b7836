"""A trace as lines for people and as JSON for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from rich.console import Console
from rich.markup import escape

from cli.trace.find import Trace
from services.journal.queries import Reading
from services.journal.stands import Awaited, Stands
from services.journal.story import Node
from services.journal.words import Mark, clock, mark, title, words

SIGNS: Final = {Mark.FAILED: ("✗", "red"), Mark.UNDONE: ("↩", "yellow"), Mark.DONE: ("✓", "green")}
MAX_SERVICE: Final = 20
"""Characters told of who wrote an entry: a client may call itself anything."""
SKEW: Final = timedelta(milliseconds=-50)
"""An effect so long before its cause: the two services' clocks differ."""
LATE_RECORD: Final = timedelta(seconds=1)
"""A record published so long after it happened is said to be."""
SILENT_SECONDS: Final = 10.0
"""The journal says so often how far it has read; after so long without a word it is not running."""

Row = tuple[int, Node]


def rows(trace: Trace) -> list[Row]:
    """Every node with its depth, in the order of telling."""
    return [row for root in trace.roots for row in root.walk()]


def heading(trace: Trace) -> str:
    """What the story is of, and on which day it began."""
    parts = [trace.story]
    if trace.checkout_id:
        parts.append(f"checkout {trace.checkout_id}")
    parts += [f"order {one.order_number}" for one in trace.stands if one.order_number]
    began = min((node.entry.at for _, node in rows(trace)), default=None)
    return f"{', '.join(parts)}" + (f" ({began:%Y-%m-%d} UTC)" if began else "")


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

    def entries(self, told: Sequence[Row]) -> None:
        """These entries, a line each."""
        for depth, node in told:
            self._console.print(self._line(depth, node), soft_wrap=True)

    def _line(self, depth: int, node: Node) -> str:
        entry = node.entry
        sign, colour = SIGNS[marked] if (marked := mark(entry)) else (" ", "default")
        branch = f"{'  ' * (depth - 1)}└ " if depth else ""
        name = escape(f"{branch}{title(entry)}".ljust(self._title))
        asked = "[bold]▶[/]" if entry.message_id == self._asked and self._asked else " "
        service = escape(entry.service[:MAX_SERVICE].ljust(self._service))
        told = escape("; ".join(part for part in (words(entry), *_remarks(node)) if part))
        when = f"{asked}[dim]{clock(entry.at)}[/] {_gap(node):>9}"
        return f"{when} [{colour}]{sign} {name}[/]  [dim]{service}[/]  {told}".rstrip()

    def standing(self, trace: Trace) -> None:
        """Where it stands."""
        for line in standing_lines(trace):
            self._console.print(line, soft_wrap=True)


class JsonLines:
    """Tells a story to programs, a line of JSON for each entry and for each change of where it stands."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def heading(self, trace: Trace) -> None:
        """Nothing: every line stands for itself."""

    def entries(self, told: Sequence[Row]) -> None:
        """These entries, a line each."""
        for depth, node in told:
            self._line(entry_json(depth, node))

    def standing(self, trace: Trace) -> None:
        """Where it stands."""
        self._line({"standing": [stands_json(one) for one in trace.stands]})

    def _line(self, content: object) -> None:
        self._console.print(json.dumps(content), soft_wrap=True, markup=False)


def _gap(node: Node) -> str:
    return f"+{span(max(node.gap, timedelta()).total_seconds())}" if node.gap is not None else ""


def _remarks(node: Node) -> Iterator[str]:
    entry = node.entry
    if node.via:
        yield node.via
    if node.gap is not None and node.gap < SKEW:
        yield f"before its cause by {span(-node.gap.total_seconds())}: clocks differ"
    if node.orphan:
        yield f"its cause {entry.cause} is not in the journal"
    if entry.recorded_at - entry.at > LATE_RECORD:
        yield f"published {span((entry.recorded_at - entry.at).total_seconds())} later"


def standing_lines(trace: Trace) -> list[str]:
    """Where a story stands: the lines to read first."""
    lines = [line for one in trace.stands for line in _of_checkout(one, several=len(trace.stands) > 1)]
    if not trace.stands:
        lines.append("No checkout has been started: nothing is waited for")
    return lines + ([f"[yellow]{said}[/]"] if (said := behind(trace.reading)) else [])


def _of_checkout(one: Stands, *, several: bool) -> Iterator[str]:
    name = f"{escape(one.checkout_id)} " if several else ""
    finished, so_far, waits = ("finished", "so far", "waits") if several else ("Finished", "So far", "Waits")
    if one.finished:
        yield f"{name}[bold green]{finished}[/]" + (f": {escape(one.came_to)}" if one.came_to else "")
        return
    if one.came_to:
        yield f"{name}{so_far}: {escape(one.came_to)}"
    for awaited in one.waits:
        yield f"{name}[{'bold red' if awaited.late else 'bold yellow'}]{waits}[/] for {escape(waiting(awaited))}"
        if awaited.trouble:
            yield f"  [red]{escape(awaited.trouble)}[/]"


def waiting(awaited: Awaited) -> str:
    """What is awaited, from whom, since when."""
    *first, last = awaited.events
    events = f"{', '.join(first)} or {last}" if first else last
    late = "longer than" if awaited.late else "it should take at most"
    limit = f"; {late} {span(awaited.should_take)}" if awaited.should_take else ""
    since = f"since {clock(awaited.since)[:8]} UTC ({span(awaited.waited)}{limit})"
    return f"{events} from {awaited.who}, {since}: {awaited.what}"


def behind(reading: Reading) -> str | None:
    """What to know where the journal has not read everything."""
    if reading.at is None:
        return "The journal has never run: it may hold nothing"
    if (silent := (reading.now - reading.at).total_seconds()) > SILENT_SECONDS:
        return f"The journal was last heard of {span(silent)} ago: what came since is missing here"
    return f"The journal is behind by {reading.behind} records: the latest may be missing here" if reading.behind else None


def span(seconds: float) -> str:
    """A length of time for people: ``6 ms``, ``1.2 s``, ``4 min 12 s``, ``3 h 5 min``, ``2 d 4 h``."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, size, smaller, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{whole} s"


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
        "words": words(entry),
        "facts": entry.facts,
        "topic": entry.topic,
        "partition": entry.partition,
        "offset": entry.offset,
    }


def stands_json(one: Stands) -> dict[str, Any]:
    """Where a checkout stands, for programs."""
    return {**asdict(one), "waits": [asdict(w) | {"since": w.since.isoformat()} for w in one.waits], "finished": one.finished}


def trace_json(trace: Trace) -> dict[str, Any]:
    """A whole trace, for programs."""
    at: datetime | None = trace.reading.at
    return {
        "key": trace.story,
        "checkout_id": trace.checkout_id,
        "standing": [stands_json(one) for one in trace.stands],
        "journal": {"behind": trace.reading.behind, "at": at.isoformat() if at else None},
        "entries": [entry_json(depth, node) for depth, node in rows(trace)],
    }
