"""The lag for people: a table, and one that lives."""

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Final

from rich.markup import escape

from cli.lag.report import Line, partitions, topics
from cli.table import Column, Table, number, words
from shared.contract.text import plain
from shared.lag.judgement import MEANING, Status
from shared.lag.model import NEVER, HeldBack, Place, Snapshot

BARS: Final = "▁▂▃▄▅▆▇█"
COLOURS: Final = {Status.OK: "green", Status.WARN: "yellow", None: "dim"}
UNKNOWN: Final = "–"
SPARKS: Final = 30
"""Snapshots in a sparkline."""


def table(window: Sequence[Snapshot], *, every_partition: bool) -> Table:
    """By group and topic; the partitions where something waits or goes wrong stand beneath, or all of them."""
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
    """By group and topic, with what the lag was lately; those furthest behind where ``rows`` are not enough."""
    made = _table(Column(f"lag, last {len(history[-SPARKS:])} looks", drop=1, picture=True))
    found = [topic for group in window[-1].groups.values() for topic, _ in topics(partitions(window, group))]
    kept = {id(line) for line in sorted(found, key=lambda line: (line.remarkable, line.lag), reverse=True)[: max(1, rows)]}
    for line in found:
        if id(line) in kept:
            made.add_row(named(line.group), named(line.topic), sparkline(_past(history, line)), *_cells(line))
    if len(found) > len(kept):
        made.caption = f"{len(found) - len(kept)} more that do not fit; --group and --topic choose"
    return made


def remarks(snapshot: Snapshot) -> list[str]:
    """What the table cannot tell: who never committed, though records are there, who holds back what, who was not asked."""
    said = [_held_back(place, back, snapshot.at) for place, back in snapshot.held_back.items()]
    for group in snapshot.groups.values():
        silent = [
            f"{topic}/{partition}"
            for topic, partition in group.never_committed
            if group.positions[topic, partition].end > group.positions[topic, partition].oldest
        ]
        if silent:
            said.append(f"{group.name} never committed an offset for {', '.join(silent)}: its lag there is not known")
    said += [f"{name} could not be asked: {why}" for name, why in snapshot.unread.items()]
    return [plain(words) for words in said]


def _held_back(place: Place, back: HeldBack, now: float) -> str:
    said = f"{place[0]}/{place[1]}: an open transaction holds {back.records} records back from offset {back.first_offset} on"
    if (transaction := back.transaction) is None:
        return said
    said += f" (producer {transaction.producer_id}"
    if transaction.transactional_id is not None:
        said += f", transactional id {transaction.transactional_id!r}"
    return said + (f", open for {duration(now - transaction.started_at)})" if transaction.started_at is not None else ")")


def named(name: str) -> str:
    """What anybody may have called a group: it changes neither the table nor the terminal."""
    return escape(plain(name))


def sparkline(values: Sequence[int]) -> str:
    """A bar for each value, from the lowest at nought to the highest of them."""
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
        *(Column("group", once=True), Column("topic", once=True), *columns),
        *(number("lag"), number("oldest", 2), number("in/s", 4), number("out/s", 4), number("caught up in", 3)),
        words("status", 6),
    )


def _offsets(line: Line) -> Iterable[str]:
    return (UNKNOWN if line.current is None else str(line.current), str(line.end))


def _cells(line: Line) -> Iterable[str]:
    status = line.trend.status
    word = UNKNOWN if status is None else escape(status)
    remark = "" if status in (Status.OK, None) else f" {MEANING[status]}"
    return (
        UNKNOWN if line.lag == NEVER else str(line.lag),
        duration(line.age),
        _rate(line.trend.rate_in),
        _rate(line.trend.rate_out),
        duration(line.catch_up) if line.lag > 0 else "",
        f"[{COLOURS.get(status, 'red')}]{word}[/]{remark}",
    )


def _rate(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"


def duration(seconds: float | None) -> str:
    """A time in the unit one thinks of it in; ``never`` for one that has no end."""
    if seconds is None:
        return UNKNOWN
    if not isfinite(seconds):
        return "never"
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.1f} s"
