"""The lag of the consumer groups, now and over time."""

from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.context import Console, console, page
from services.console.plots import Plot, plot
from services.console.watcher import KEPT_SECONDS, Point
from shared.lag.judgement import MEANING, Status
from shared.lag.model import NEVER, Group

SPANS: Final = {"5m": 300.0, "30m": KEPT_SECONDS}
TABLE_ROWS: Final = 12


@dataclass(frozen=True)
class Line:
    """A group: its plot, its current values, and its history as a table."""

    group: Group
    name: str
    status: Status | None
    meaning: str
    lag: Plot
    topics: list[tuple[str, int, float]]
    past: list[tuple[float, int, float]]


async def show(request: Request) -> Response:
    """Show the page."""
    shown = values(console(request), request.query_params.get("span", ""))
    return page(request, "lag.html", live=f"/live?view=lag&span={shown['chosen']}", **shown)


def values(here: Console, span: str) -> dict[str, Any]:
    """The values of its templates. ``span``: a key of :data:`SPANS`, else the default."""
    span = span if span in SPANS else "5m"
    points, snapshot = list(here.watcher.points), here.watcher.last
    ended = points[-1].at if points else snapshot.at
    began = ended - SPANS[span]
    shown = [point for point in points if point.at >= began]
    lines = [_line(name, group, snapshot.statuses.get(name), shown, began, ended) for name, group in snapshot.groups.items()]
    return {"lines": lines, "chosen": span, "spans": list(SPANS)}


def _line(name: str, group: Group, status: Status | None, shown: list[Point], began: float, ended: float) -> Line:
    values = [(point.at, float(point.lag.get(name, 0))) for point in shown]
    by_topic: dict[str, tuple[int, float]] = {}
    for (topic, _), position in group.positions.items():
        lag, age = by_topic.get(topic, (0, 0.0))
        by_topic[topic] = (lag + max(0, position.lag if position.lag != NEVER else 0), max(age, position.age or 0.0))
    every = max(1, len(shown) // TABLE_ROWS)
    past = [(point.at, point.lag.get(name, 0), point.age.get(name, 0.0)) for point in shown[::-1][::every]]
    return Line(
        group,
        name,
        status,
        MEANING[status] if status else "not evaluated yet",
        plot(values, began, ended),
        [(topic, *found) for topic, found in by_topic.items()],
        past,
    )
