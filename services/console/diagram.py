"""The choreography as a diagram: the positions of its nodes and edges, and their current labels. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot
from typing import Final

from services.console.choreography import GATEWAY, OUTSIDE, Choreography, Edge
from services.console.watcher import SystemSnapshot
from shared.contract.topics import TOPICS
from shared.lag.judgement import MEANING, Status
from shared.settings import Settings

Spot = tuple[float, float]
WIDTH, HEIGHT = 480, 456
NODE_WIDTH, NODE_HEIGHT = 116, 52
BEHIND_SECONDS: Final = 5.0
"""The age of the oldest unread record from which an edge is shown as behind."""
ASIDE: Final = 11.0
"""The distance of an edge from the straight line, so that the opposite edge has room."""
NEAR: Final = 0.33
"""The position of a label on its edge, as a fraction from the source."""
AIR: Final = 5.0
"""The gap between the ends of an edge and its nodes."""
STUB: Final = 26.0
"""The length of an edge from outside."""

_PLACES: Final = {
    "cart": (96, 78),
    "inventory": (384, 78),
    "order": (384, 258),
    "payment": (96, 258),
    GATEWAY: (96, 384),
    "alerts": (384, 384),
}
"""The centres of the nodes: the four services form a square. Unknown services are drawn in its middle."""
_STUBS: Final = {"cart": (0, -1), "inventory": (0, -1), "order": (0, 1), "payment": (-1, 0), "alerts": (0, 1)}
"""The side from which messages from outside reach each node."""
_FLOWS: Final = ((0.0, "still"), (1.0, "slow"), (20.0, "steady"), (float("inf"), "fast"))
_BAD: Final = (Status.STALL, Status.STOP)


@dataclass(frozen=True)
class Arrow:
    """An edge as it is drawn, with a ``label`` at ``x`` and ``y``.

    ``flow``: the speed of its animation; ``rate``: messages per second; ``lag``: unread records; ``behind``: whether the
    oldest of them waits for more than :data:`BEHIND_SECONDS`.
    """

    edge: Edge
    path: str
    x: float
    y: float
    label: str
    rate: str
    flow: str
    lag: int | None
    behind: bool

    @property
    def name(self) -> str:
        """Its source and target."""
        return f"{self.edge.source} to {self.edge.target}"


@dataclass(frozen=True)
class Node:
    """A service as it is drawn. ``health`` of its consumer group: ``ok``, ``warn``, ``bad`` or ``unknown``."""

    name: str
    x: float
    y: float
    health: str
    text: str


@dataclass(frozen=True)
class Diagram:
    """The whole diagram."""

    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]

    @property
    def summary(self) -> str:
        """The health of all services in a sentence."""
        wrong = [f"{node.name}: {node.text}" for node in self.nodes if node.health in ("warn", "bad")]
        return "; ".join(wrong) if wrong else "Every service is up to date"


def diagram(choreography: Choreography, snapshot: SystemSnapshot, settings: Settings) -> Diagram:
    """Draw the choreography with the last snapshot."""
    nodes = [_node(name, snapshot) for name in choreography.services]
    if any(edge.source == GATEWAY for edge in choreography.edges):
        nodes.append(Node(GATEWAY, *_place(GATEWAY), "outside", "outside"))
    return Diagram(tuple(nodes), tuple(_arrow(edge, snapshot, settings) for edge in _drawn(choreography)))


def _drawn(choreography: Choreography) -> Iterator[Edge]:
    """The edges to draw. Edges from outside are merged into one for each target."""
    outside: dict[str, Edge] = {}
    for edge in choreography.edges:
        if edge.source != OUTSIDE:
            yield edge
        elif edge.target in outside:
            known = outside[edge.target]
            outside[edge.target] = Edge(OUTSIDE, edge.target, known.topic, known.messages + edge.messages)
        else:
            outside[edge.target] = edge
    yield from outside.values()


def _node(name: str, snapshot: SystemSnapshot) -> Node:
    group = f"quadrille.{name}"
    if group not in snapshot.groups:
        return Node(name, *_place(name), "unknown", "no data")
    status, lag = snapshot.statuses.get(group), snapshot.groups[group].lag
    if snapshot.groups[group].members == 0:
        return Node(name, *_place(name), "bad", "no consumers")
    if status in _BAD:
        return Node(name, *_place(name), "bad", MEANING[status])
    if status not in (None, Status.OK):
        return Node(name, *_place(name), "warn", MEANING[status])
    return Node(name, *_place(name), "ok", f"lag {lag}" if lag else "up to date")


def _arrow(edge: Edge, snapshot: SystemSnapshot, settings: Settings) -> Arrow:
    per_second = snapshot.answers if edge.source == GATEWAY else edge.rate(snapshot.emitted)
    waiting = snapshot.lag_of(edge, settings.topic(edge.topic)) if edge.topic else None
    flow = next(name for most, name in _FLOWS if per_second <= most)
    start, end = _ends(edge)
    x, y = _label(edge, start, end)
    path = f"M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}"
    writer = TOPICS[edge.topic].writer.split(",")[0] if edge.source == OUTSIDE else ""
    lag, age = waiting or (None, 0.0)
    label = " · ".join(part for part in (f"{writer} {rate(per_second)}".strip(), str(lag or "")) if part)
    return Arrow(edge, path, round(x, 1), round(y, 1), label, rate(per_second), flow, lag, age > BEHIND_SECONDS)


def rate(per_second: float) -> str:
    """Format a rate."""
    if per_second <= 0:
        return ""
    return f"{per_second:.1f}/s" if per_second < 9.95 else f"{per_second:.0f}/s"


def _place(name: str) -> Spot:
    return _PLACES.get(name, (WIDTH / 2, HEIGHT / 2 - 40))


def _label(edge: Edge, start: Spot, end: Spot) -> Spot:
    """The position of a label: nearer to the source, apart from the label of the opposite edge."""
    if edge.source == OUTSIDE:
        rise = start[1] - end[1]
        return (start[0], start[1] + (14 if rise > 0 else -4)) if rise else ((start[0] + end[0]) / 2, start[1] - 8)
    return start[0] + (end[0] - start[0]) * NEAR, start[1] + (end[1] - start[1]) * NEAR + 4


def _ends(edge: Edge) -> tuple[Spot, Spot]:
    tx, ty = _place(edge.target)
    if edge.source == OUTSIDE:
        dx, dy = _STUBS.get(edge.target, (0, -1))
        near = (tx + dx * (NODE_WIDTH / 2 + AIR), ty + dy * (NODE_HEIGHT / 2 + AIR))
        return (near[0] + dx * STUB, near[1] + dy * STUB), near
    sx, sy = _place(edge.source)
    length = hypot(tx - sx, ty - sy)
    ux, uy = (tx - sx) / length, (ty - sy) / length
    ox, oy = -uy * ASIDE, ux * ASIDE
    return (
        _leave((sx, sy), (ox, oy), (ux, uy)),
        _leave((tx, ty), (ox, oy), (-ux, -uy)),
    )


def _leave(centre: Spot, aside: Spot, way: Spot) -> Spot:
    """The point where a line beside a node's centre leaves the node."""
    x, y = aside
    reach = min(
        (NODE_WIDTH / 2 + AIR - x * (1 if way[0] > 0 else -1)) / abs(way[0]) if way[0] else float("inf"),
        (NODE_HEIGHT / 2 + AIR - y * (1 if way[1] > 0 else -1)) / abs(way[1]) if way[1] else float("inf"),
    )
    return centre[0] + x + way[0] * reach, centre[1] + y + way[1] * reach
