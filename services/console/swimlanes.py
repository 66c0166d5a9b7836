"""Draws a trace as swimlanes: a lane for each service, time running down, and a line from each cause to its effect. Pure.

Each row draws its own part of the lines, so it can be as high as its text needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Final

from services.journal.formatting import format_time, mark, title
from services.journal.rendering import describe_entry, format_gap, rows
from services.journal.timeline import Node
from services.journal.trace import Trace
from shared.contract.services import SERVICES

CLIENTS: Final = "clients"
"""The lane of writers that are no services: clients and staff, whose names are not known in advance."""
LANES: Final = (CLIENTS, *SERVICES, "alerts")


@dataclass(frozen=True)
class Row:
    """An entry as it is drawn. ``lane``: the index of its service in :data:`LANES`; ``paths``: the lines through its row.

    A row is 1 high: its upper edge is at 0, the dot at 0.5, its lower edge at 1. A lane is 1 wide.
    """

    lane: int
    paths: tuple[str, ...]
    at: str
    moment: datetime
    gap: str
    title: str
    service: str
    text: str
    mark: str
    asked: bool


@dataclass(frozen=True)
class Dot:
    """An entry on the strip, whose scale is proportional to time: ``x`` in per cent."""

    x: float
    lane: int
    mark: str
    title: str


def lane_of(node: Node) -> int:
    """The index of a node's lane."""
    service = node.entry.service
    return LANES.index(service) if service in LANES else 0


def picture(trace: Trace) -> list[Row]:
    """Draw the rows of a trace, in the order in which they happened."""
    nodes = sorted((node for _, node in rows(trace)), key=lambda node: (node.entry.at, node.entry.place))
    place = {id(node): number for number, node in enumerate(nodes)}
    paths: list[list[str]] = [[] for _ in nodes]
    lines: dict[int, list[int]] = {}
    for cause in nodes:
        for effect in cause.children:
            start, end, lane = place[id(cause)], place[id(effect)], lane_of(effect)
            _draw(paths, start, end, lane_of(cause), lane)
            steps = lines.setdefault(lane, [0] * (len(nodes) + 1))
            steps[min(start, end) + 1] += 1
            steps[max(start, end, min(start, end) + 1)] -= 1
    for lane, steps in lines.items():
        for path, passing in zip(paths, accumulate(steps), strict=False):
            if passing:
                path.append(f"M{lane + 0.5} 0L{lane + 0.5} 1")
    return [_row(node, paths[number], trace.message_id) for number, node in enumerate(nodes)]


def _draw(paths: list[list[str]], start: int, end: int, a: int, b: int) -> None:
    """Draw both ends of the line from a cause to its effect: first across to the effect's lane, then down.

    The part between the ends is drawn once for all lines that share it. If clocks differ, an effect may be above its
    cause: then the line goes up.
    """
    ax, bx = a + 0.5, b + 0.5
    if start == end:
        return
    down = end > start
    edge, other = (1, 0) if down else (0, 1)
    bend = 0.55 if down else 0.45
    paths[start].append(f"M{ax} .5L{ax} {edge}" if a == b else f"M{ax} .5C{ax + 0.8 * (bx - ax):g} .5 {bx} {bend} {bx} {edge}")
    paths[end].append(f"M{bx} {other}L{bx} .5")


def _row(node: Node, paths: Sequence[str], asked: str | None) -> Row:
    entry = node.entry
    return Row(
        lane=lane_of(node),
        paths=tuple(dict.fromkeys(paths)),
        at=format_time(entry.at),
        moment=entry.at,
        gap=format_gap(node),
        title=title(entry),
        service=entry.service,
        text=describe_entry(node),
        mark=mark(entry) or "plain",
        asked=asked is not None and entry.message_id == asked,
    )


def strip(trace: Trace) -> list[Dot]:
    """Place the entries on a scale proportional to time, from the first to the last."""
    nodes = [node for _, node in rows(trace)]
    if not nodes:
        return []
    began = min(node.entry.at for node in nodes)
    whole = (max(node.entry.at for node in nodes) - began).total_seconds() or 1.0
    return [
        Dot(
            round(100 * (node.entry.at - began).total_seconds() / whole, 2),
            lane_of(node),
            mark(node.entry) or "plain",
            title(node.entry),
        )
        for node in nodes
    ]
