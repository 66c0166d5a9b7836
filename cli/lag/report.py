"""The lines of a lag report: one for every partition and every topic of a group, from a window of snapshots."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from math import isfinite

from shared.lag.judgement import Status, Trend, total, trends
from shared.lag.model import NEVER, Group, Place, Position, Snapshot


@dataclass(frozen=True)
class Line:
    """One partition of a group, or all partitions of a topic (``partition`` is ``None``)."""

    group: str
    topic: str
    partition: int | None
    current: int | None
    end: int
    lag: int
    age: float | None
    trend: Trend

    @property
    def catch_up(self) -> float | None:
        """Seconds until the lag is zero (see :meth:`shared.lag.judgement.Trend.catch_up`)."""
        return self.trend.catch_up(self.lag)

    @property
    def remarkable(self) -> bool:
        """Whether there is lag or a problem."""
        return self.lag > 0 or self.trend.status not in (Status.OK, None)


def partitions(window: Sequence[Snapshot], group: Group) -> list[Line]:
    """One line for every partition that a group reads."""
    found = trends(window, group.name)
    return [_line(group, place, position, found[place]) for place, position in sorted(group.positions.items())]


def _line(group: Group, place: Place, position: Position, trend: Trend) -> Line:
    return Line(group.name, *place, position.current, position.end, position.lag, position.age, trend)


def topics(lines: Sequence[Line]) -> Iterator[tuple[Line, list[Line]]]:
    """One line for every topic of a group, with the lines of its partitions."""
    for topic, some in groupby(lines, lambda line: line.topic):
        own = list(some)
        committed = [line.current for line in own if line.current is not None]
        yield (
            Line(
                own[0].group,
                topic,
                None,
                sum(committed) if committed else None,
                sum(line.end for line in own),
                sum(line.lag for line in own if line.lag != NEVER) if committed else NEVER,
                max((line.age for line in own if line.age is not None), default=None),
                total([line.trend for line in own]),
            ),
            own,
        )


def as_json(window: Sequence[Snapshot]) -> dict[str, object]:
    """The report for JSON. Times in seconds; ``None`` if unknown, or if a lag does not shrink."""
    last = window[-1]
    return {
        "at": last.at,
        "groups": [_group_json(window, group) for group in last.groups.values()],
        "unread": last.unread,
        "held_back": [
            {"topic": topic, "partition": partition, **asdict(back)} for (topic, partition), back in last.held_back.items()
        ],
    }


def _group_json(window: Sequence[Snapshot], group: Group) -> dict[str, object]:
    lines = partitions(window, group)
    together = total([line.trend for line in lines])
    return {
        "group": group.name,
        "state": group.state,
        "members": group.members,
        "lag": group.lag,
        "age_seconds": group.age,
        **_trend_json(together, group.lag),
        "never_committed": [list(place) for place in group.never_committed],
        "partitions": [
            {
                "topic": line.topic,
                "partition": line.partition,
                "current": line.current,
                "end": line.end,
                "lag": line.lag,
                "age_seconds": line.age,
                **_trend_json(line.trend, line.lag),
            }
            for line in lines
        ],
    }


def _trend_json(trend: Trend, lag: int) -> dict[str, object]:
    seconds = trend.catch_up(lag)
    return {
        "status": trend.status,
        "rate_in": trend.rate_in,
        "rate_out": trend.rate_out,
        "catch_up_seconds": seconds if seconds is not None and isfinite(seconds) else None,
    }
