"""The status of a group, from several snapshots: pure rules without clock or I/O.

The rules are Burrow's (its wiki, Consumer Lag Evaluation Rules), on snapshots instead of commits. A broker does not say when
an offset was committed, so a partition whose offset does not move is STOP if no member of the group has it, otherwise STALL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from math import inf

from shared.lag.model import NEVER, Place, Position, Snapshot


class Status(StrEnum):
    """In the order of severity."""

    OK = "OK"
    WARN = "WARN"
    HELD = "HELD"
    REWIND = "REWIND"
    STALL = "STALL"
    STOP = "STOP"


SEVERITY = {status: rank for rank, status in enumerate(Status)}
MEANING = {
    Status.OK: "keeps up",
    Status.WARN: "the lag does not shrink",
    Status.HELD: "an open transaction blocks its records",
    Status.REWIND: "the offset moved back",
    Status.STALL: "has lag, but its offset does not move",
    Status.STOP: "has lag, but no consumer",
}


@dataclass(frozen=True, slots=True)
class Trend:
    """The change over a window: its status, and records per second that were written and processed."""

    status: Status | None
    rate_in: float | None
    rate_out: float | None

    def catch_up(self, lag: int) -> float | None:
        """Seconds until a lag is gone at this rate: ``inf`` if it does not shrink, None if the rate is unknown."""
        if lag <= 0:
            return 0.0
        if self.rate_in is None or self.rate_out is None:
            return None
        return lag / (self.rate_out - self.rate_in) if self.rate_out > self.rate_in else inf


def judge(window: Sequence[Position]) -> Status | None:
    """The status of a partition from its positions, the oldest first; None if a single one is not enough."""
    last = window[-1]
    if any(_went_back(before, after) for before, after in pairwise(window)):
        return Status.REWIND
    if last.lag == 0:
        return Status.OK
    if len(window) < 2:
        return None
    if last.lag == NEVER:
        return _judge_uncommitted(window)
    if last.readable == 0:
        return Status.HELD if all(position.stable == last.stable for position in window) else Status.OK
    if any(position.readable == 0 for position in window):
        return Status.OK
    if window[0].current == last.current:
        return Status.STOP if last.assigned is False else Status.STALL
    if all(before.readable <= after.readable for before, after in pairwise(window)):
        return Status.WARN
    return Status.OK


def _went_back(before: Position, after: Position) -> bool:
    return before.current is not None and after.current is not None and after.current < before.current


def _judge_uncommitted(window: Sequence[Position]) -> Status:
    """Older records may not concern the group; records written since it has a member do."""
    came = window[-2].end > window[0].end
    had = all(position.assigned for position in window)
    return Status.STALL if came and had else Status.OK


def worst(statuses: Sequence[Status | None]) -> Status | None:
    """The most severe status; None if none is known."""
    known = [status for status in statuses if status is not None]
    return max(known, key=SEVERITY.__getitem__, default=None)


def trend(snapshots: Sequence[Snapshot], group: str, place: Place) -> Trend:
    """The trend of one partition over a window of snapshots, the oldest first."""
    found = [
        (snapshot.at, snapshot.groups[group].positions[place])
        for snapshot in snapshots
        if group in snapshot.groups and place in snapshot.groups[group].positions
    ]
    if not found:
        return Trend(None, None, None)
    (began, first), (ended, last) = found[0], found[-1]
    seconds = ended - began
    if seconds <= 0:
        return Trend(judge([last]), None, None)
    out = None if first.current is None or last.current is None else (last.current - first.current) / seconds
    return Trend(judge([position for _, position in found]), (last.end - first.end) / seconds, out)


def trends(snapshots: Sequence[Snapshot], group: str) -> dict[Place, Trend]:
    """The trend of every partition that a group reads."""
    return {place: trend(snapshots, group, place) for place in snapshots[-1].groups[group].positions}


def total(found: Sequence[Trend]) -> Trend:
    """Several partitions as one: the worst status, and the sum of the rates."""
    rates_in = [one.rate_in for one in found if one.rate_in is not None]
    rates_out = [one.rate_out for one in found if one.rate_out is not None]
    return Trend(
        worst([one.status for one in found]),
        sum(rates_in) if rates_in else None,
        sum(rates_out) if rates_out else None,
    )
