"""A trace in sentences: what it is of, what is to be remarked of an entry, and where it stands. Text only, no markup."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from services.journal.queries import Reading
from services.journal.stands import Awaited, Stands
from services.journal.story import Node
from services.journal.trace import Trace
from services.journal.words import clock, words

SKEW: Final = timedelta(milliseconds=-50)
"""An effect so long before its cause: the two services' clocks differ."""
LATE_RECORD: Final = timedelta(seconds=1)
"""A record published so long after it happened is said to be."""
SILENT_SECONDS: Final = 10.0
"""The journal says so often how far it has read; after so long without a word it is not running."""

Row = tuple[int, Node]


class Tone(StrEnum):
    """How a line is to be seen."""

    PLAIN = "plain"
    DONE = "done"
    WAITS = "waits"
    LATE = "late"
    FAILED = "failed"
    DOUBT = "doubt"


@dataclass(frozen=True)
class Line:
    """A line in three parts, of which the middle is stressed, as ``tone`` says."""

    tone: Tone
    before: str
    stressed: str
    after: str = ""

    def __str__(self) -> str:
        return self.before + self.stressed + self.after


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


def gap(node: Node) -> str:
    """The time since its cause."""
    return f"+{span(max(node.gap, timedelta()).total_seconds())}" if node.gap is not None else ""


def told(node: Node) -> str:
    """What an entry says, and what is to be remarked of it."""
    return "; ".join(part for part in (words(node.entry), *_remarks(node)) if part)


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


def standing_lines(trace: Trace) -> list[Line]:
    """Where a story stands: the lines to read first."""
    lines = [line for one in trace.stands for line in _of_checkout(one, several=len(trace.stands) > 1)]
    if not trace.stands:
        lines.append(Line(Tone.PLAIN, "No checkout has been started: nothing is waited for", ""))
    if said := behind(trace.reading):
        lines.append(Line(Tone.DOUBT, "", said))
    return lines


def _of_checkout(one: Stands, *, several: bool) -> Iterator[Line]:
    name = f"{one.checkout_id} " if several else ""
    finished, so_far, waits = ("finished", "so far", "waits") if several else ("Finished", "So far", "Waits")
    if one.finished:
        yield Line(Tone.DONE, name, finished, f": {one.came_to}" if one.came_to else "")
        return
    if one.came_to:
        yield Line(Tone.PLAIN, f"{name}{so_far}: {one.came_to}", "")
    for awaited in one.waits:
        yield Line(Tone.LATE if awaited.late else Tone.WAITS, name, waits, f" for {waiting(awaited)}")
        if awaited.trouble:
            yield Line(Tone.FAILED, "  ", awaited.trouble)


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
