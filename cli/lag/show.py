"""The lag as a table, once or live."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Final

from rich.markup import escape

from cli.lag.report import Line, partitions, topics
from cli.table import Column, Table, number, text
from shared.contract.text import counted, plain
from shared.lag.judgement import MEANING, Status
from shared.lag.model import NEVER, HeldBack, Place, Snapshot

BARS: Final = "▁▂▃▄▅▆▇█"
COLOURS: Final = {Status.OK: "green", Status.WARN: "yellow", None: "dim"}
UNKNOWN: Final = "–"
SPARKS: Final = 30
"""Snapshots in a sparkline."""


def table(window: Sequence[Snapshot], *, every_partition: bool) -> Table:
    """One row per group and topic, and below it its partitions with lag or a problem, or all of them."""
    made = _table(number("partition"), number("current", 5), number("end", 5))
    for group in window[-1].groups.values():
        for topic, lines in topics(partitions(window, group)):
            names = (named(topic.group), named(topic.topic))
            made.add_row(*names, f"all {len(lines)}", *_offsets(topic), *_cells(topic))
            for line in lines:
                if every_partition or line.remarkable:
                    made.add_row(*names, str(line.partition), *_offsets(line), *_cells(line))
    return made


def live(window: Sequence[Snapshot], history: Sequence[Snapshot], rows: int) -> Table:
    """One row per group and topic with its recent lag; those with most lag if there are more than ``rows``."""
    made = _table(Column(f"lag, last {counted(len(history[-SPARKS:]), 'poll')}", drop=1, graphic=True))
    found = [topic for group in window[-1].groups.values() for topic, _ in topics(partitions(window, group))]
    kept = {id(line) for line in sorted(found, key=lambda line: (line.remarkable, line.lag), reverse=True)[: max(1, rows)]}
    for line in found:
        if id(line) in kept:
            made.add_row(named(line.group), named(line.topic), sparkline(_past(history, line)), *_cells(line))
    if len(found) > len(kept):
        hidden = len(found) - len(kept)
        made.caption = f"{hidden} more row{'s do' if hidden > 1 else ' does'} not fit; choose with --group and --topic"
    return made


def notes(snapshot: Snapshot) -> list[str]:
    """Below the table: open transactions, groups that never committed, and brokers that did not answer."""
    found = [_held_back(place, back, snapshot.at) for place, back in snapshot.held_back.items()]
    for group in snapshot.groups.values():
        silent = [
            f"{topic}/{partition}"
            for topic, partition in group.never_committed
            if group.positions[topic, partition].end > group.positions[topic, partition].oldest
        ]
        if silent:
            found.append(f"{group.name} never committed an offset for {', '.join(silent)}: its lag there is unknown")
    found += [f"{name} could not be read: {why}" for name, why in snapshot.unread.items()]
    return [plain(note) for note in found]


def _held_back(place: Place, back: HeldBack, now: float) -> str:
    note = (
        f"{place[0]}/{place[1]}: an open transaction blocks {counted(back.records, 'record')} from offset {back.first_offset}"
    )
    if (transaction := back.transaction) is None:
        return note
    note += f" (producer {transaction.producer_id}"
    if transaction.transactional_id is not None:
        note += f", transactional id {transaction.transactional_id!r}"
    return note + (f", open for {duration(now - transaction.started_at)})" if transaction.started_at is not None else ")")


def named(name: str) -> str:
    """A name without markup and control characters."""
    return escape(plain(name))


def sparkline(values: Sequence[int]) -> str:
    """A bar for each value, from zero to the highest of them."""
    top = max(values, default=0)
    return "".join(BARS[0] if top <= 0 else BARS[round(max(0, value) / top * (len(BARS) - 1))] for value in values)


def _past(history: Sequence[Snapshot], line: Line) -> list[int]:
    past = []
    for snapshot in history[-SPARKS:]:
        group = snapshot.groups.get(line.group)
        positions = group.positions.items() if group else ()
        past.append(sum(max(0, p.lag) for (topic, _), p in positions if topic == line.topic))
    return past


def _table(*columns: Column) -> Table:
    return Table(
        *(Column("group", merge=True), Column("topic", merge=True), *columns),
        *(number("lag"), number("oldest", 2), number("in/s", 4), number("out/s", 4), number("catch-up", 3)),
        text("status", 6),
    )


def _offsets(line: Line) -> Iterable[str]:
    return (UNKNOWN if line.current is None else str(line.current), str(line.end))


def _cells(line: Line) -> Iterable[str]:
    status = line.trend.status
    name = UNKNOWN if status is None else escape(status)
    meaning = "" if status in (Status.OK, None) else f" {MEANING[status]}"
    return (
        UNKNOWN if line.lag == NEVER else str(line.lag),
        duration(line.age),
        _rate(line.trend.rate_in),
        _rate(line.trend.rate_out),
        duration(line.catch_up) if line.lag > 0 else "",
        f"[{COLOURS.get(status, 'red')}]{name}[/]{meaning}",
    )


def _rate(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"


def duration(seconds: float | None) -> str:
    """A duration in its largest fitting unit; ``never`` if infinite."""
    if seconds is None:
        return UNKNOWN
    if not isfinite(seconds):
        return "never"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"
