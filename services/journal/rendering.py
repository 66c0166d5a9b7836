"""Renders a trace as sentences: its heading, each entry with remarks, and the status. Text only, no markup."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from services.journal.formatting import count, format_entry, format_time
from services.journal.queries import JournalLag
from services.journal.reports import CheckoutReport, PendingStep
from services.journal.timeline import Node
from services.journal.trace import Trace

SKEW: Final = timedelta(milliseconds=-50)
"""An effect this long before its cause shows that the clocks of two services differ."""
LATE_RECORD: Final = timedelta(seconds=1)
"""A record published this long after its event is marked."""
SILENT_SECONDS: Final = 10.0
"""A journal that has not reported its lag for this long is not running."""

Row = tuple[int, Node]


class Tone(StrEnum):
    """How a line is highlighted."""

    PLAIN = "plain"
    DONE = "done"
    WAITS = "waits"
    LATE = "late"
    FAILED = "failed"
    DOUBT = "doubt"


@dataclass(frozen=True)
class Line:
    """A line in three parts. The middle one is highlighted as ``tone`` says."""

    tone: Tone
    before: str
    highlighted: str
    after: str = ""

    def __str__(self) -> str:
        return self.before + self.highlighted + self.after


def rows(trace: Trace) -> list[Row]:
    """Every node with its depth, in display order."""
    return [row for root in trace.roots for row in root.walk()]


def heading(trace: Trace) -> str:
    """The cart, checkout and orders of a trace, and the day it began."""
    parts = [trace.key]
    if trace.checkout_id:
        parts.append(f"checkout {trace.checkout_id}")
    parts += [f"order {one.order_number}" for one in trace.checkouts if one.order_number]
    began = min((node.entry.at for _, node in rows(trace)), default=None)
    return ", ".join(parts) + (f" ({began:%Y-%m-%d} UTC)" if began else "")


def format_gap(node: Node) -> str:
    """Format the time since the cause."""
    return f"+{format_duration(max(node.gap, timedelta()).total_seconds())}" if node.gap is not None else ""


def describe_entry(node: Node) -> str:
    """Describe the content of an entry, with remarks on its cause and times."""
    return "; ".join(part for part in (format_entry(node.entry), *_remarks(node)) if part)


def _remarks(node: Node) -> Iterator[str]:
    entry = node.entry
    if node.via:
        yield node.via
    if node.gap is not None and node.gap < SKEW:
        yield f"{format_duration(-node.gap.total_seconds())} before its cause: clocks differ"
    if node.orphan:
        yield f"cause {entry.cause} is not in the journal"
    if entry.recorded_at - entry.at > LATE_RECORD:
        yield f"published {format_duration((entry.recorded_at - entry.at).total_seconds())} later"


def status_lines(trace: Trace) -> list[Line]:
    """The status of each checkout: the lines to read first."""
    lines = [line for one in trace.checkouts for line in _of_checkout(one, several=len(trace.checkouts) > 1)]
    if not trace.checkouts:
        lines.append(Line(Tone.PLAIN, "No checkout has been started", ""))
    if warning := lag_warning(trace.lag):
        lines.append(Line(Tone.DOUBT, "", warning))
    return lines


def _of_checkout(one: CheckoutReport, *, several: bool) -> Iterator[Line]:
    name = f"{one.checkout_id} " if several else ""
    finished, so_far, waiting = ("finished", "so far", "waiting") if several else ("Finished", "So far", "Waiting")
    if one.finished:
        yield Line(Tone.DONE, name, finished, f": {one.result}" if one.result else "")
        return
    if one.result:
        yield Line(Tone.PLAIN, f"{name}{so_far}: {one.result}", "")
    for step in one.waits:
        yield Line(Tone.LATE if step.late else Tone.WAITS, name, waiting, f" for {_describe_step(step)}")
        if step.trouble:
            yield Line(Tone.FAILED, "  ", step.trouble)


def _describe_step(step: PendingStep) -> str:
    *first, last = step.events
    events = f"{', '.join(first)} or {last}" if first else last
    limit = f", {'overdue: ' if step.late else ''}limit {format_duration(step.should_take)}" if step.should_take else ""
    since = f"since {format_time(step.since)[:8]} UTC ({format_duration(step.waited)}{limit})"
    return f"{events} from {step.who} {since}: {step.what}"


def lag_warning(lag: JournalLag) -> str | None:
    """Warn of records that the journal may not have read yet."""
    if lag.reported_at is None:
        return "The journal has never run; it may be empty"
    if (silent := (lag.now - lag.reported_at).total_seconds()) > SILENT_SECONDS:
        return f"The journal last reported {format_duration(silent)} ago; newer records are missing here"
    return f"The journal is {count(lag.records, 'record')} behind; the latest may be missing here" if lag.records else None


def format_duration(seconds: float) -> str:
    """Format a duration: ``6 ms``, ``1.2 s``, ``4 min 12 s``, ``3 h 5 min``, ``2 d 4 h``."""
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
