"""The picture of the choreography: everything the registries have is on it, and nothing lies on something else."""

import re
import time
from itertools import combinations

from services.console import choreography
from services.console.choreography import GATEWAY, OUTSIDE, Choreography, Edge
from services.console.diagram import HEIGHT, NODE_HEIGHT, NODE_WIDTH, WIDTH, Arrow, diagram
from services.console.watcher import SystemSnapshot
from shared.contract.registry import MESSAGES
from shared.lag.judgement import MEANING, Status
from shared.lag.model import Group, Position
from tests.unit.console.helpers import SETTINGS

CODE = choreography.load()


def ends(arrow: Arrow) -> list[tuple[float, float]]:
    """Where an arrow begins and ends."""
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.-]+) ([\d.-]+)", arrow.path)]


def seen(lag: int = 0, age: float = 0.0, status: Status = Status.OK, members: int = 1) -> SystemSnapshot:
    """A look at cart's group, which is behind on order's events."""
    group = Group("quadrille.cart", "Stable", members, {("order.events", 0): Position(10, 10 + lag, 0, age)})
    emitted = {("order", "OrderConfirmed"): 2.0, ("demo", "OpenCart"): 0.5, ("order", "TotalsCalculated"): 30.0}
    return SystemSnapshot(time.time(), emitted, 4.0, groups={group.name: group}, statuses={group.name: status})


def test_every_edge_is_drawn_once_and_inside_the_diagram() -> None:
    drawn = diagram(CODE, SystemSnapshot(0.0), SETTINGS)
    between = [(arrow.edge.source, arrow.edge.target) for arrow in drawn.arrows]
    assert sorted(between) == sorted({(edge.source, edge.target) for edge in CODE.edges})
    assert {node.name for node in drawn.nodes} == {*CODE.services, GATEWAY}
    for arrow in drawn.arrows:
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in [*ends(arrow), (arrow.x, arrow.y)])
    awaited = {name for arrow in drawn.arrows for name in arrow.edge.messages}
    assert awaited <= {kind.__name__ for kind in MESSAGES.values()}


def test_nothing_overlaps() -> None:
    drawn = diagram(CODE, SystemSnapshot(0.0), SETTINGS)
    for a, b in combinations(drawn.nodes, 2):
        assert abs(a.x - b.x) >= NODE_WIDTH or abs(a.y - b.y) >= NODE_HEIGHT
    for one, other in combinations(drawn.arrows, 2):
        assert abs(one.x - other.x) > 20 or abs(one.y - other.y) > 10, f"{one.name} and {other.name}"
    for arrow in drawn.arrows:
        for node in drawn.nodes:
            for x, y in ends(arrow):
                assert abs(x - node.x) > NODE_WIDTH / 2 or abs(y - node.y) > NODE_HEIGHT / 2


def test_an_unknown_service_is_drawn() -> None:
    more = Choreography(
        (*CODE.services, "loyalty"), (*CODE.edges, Edge("order", "loyalty", "order.events", ("OrderConfirmed",)))
    )
    drawn = diagram(more, SystemSnapshot(0.0), SETTINGS)
    assert "loyalty" in {node.name for node in drawn.nodes}
    assert ("order", "loyalty") in {(arrow.edge.source, arrow.edge.target) for arrow in drawn.arrows}


def test_an_edge_shows_its_rate_and_lag() -> None:
    arrows = {(a.edge.source, a.edge.target): a for a in diagram(CODE, seen(lag=7, age=0.5), SETTINGS).arrows}
    to_cart = arrows["order", "cart"]
    assert (to_cart.label, to_cart.flow, to_cart.lag, to_cart.behind) == ("2.0/s · 7", "steady", 7, False)
    assert arrows["order", "payment"].label == "30/s", "nothing is known of payment's lag"
    assert arrows[OUTSIDE, "cart"].label == "clients 0.5/s"
    assert arrows[GATEWAY, "payment"].rate == "4.0/s"
    assert arrows["cart", "order"].label == ""
    old = {(a.edge.source, a.edge.target): a for a in diagram(CODE, seen(lag=7, age=60), SETTINGS).arrows}
    assert old["order", "cart"].behind


def test_a_node_shows_the_health_of_its_group() -> None:
    def cart(snapshot: SystemSnapshot) -> tuple[str, str]:
        found = diagram(CODE, snapshot, SETTINGS)
        return next((node.health, node.text) for node in found.nodes if node.name == "cart")

    assert cart(SystemSnapshot(0.0)) == ("unknown", "no data")
    assert cart(seen()) == ("ok", "up to date")
    assert cart(seen(lag=3)) == ("ok", "lag 3")
    assert cart(seen(status=Status.WARN))[0] == "warn"
    assert cart(seen(status=Status.STALL)) == ("bad", MEANING[Status.STALL])
    assert cart(seen(members=0)) == ("bad", "no consumers")
    assert diagram(CODE, seen(members=0), SETTINGS).summary == "cart: no consumers"
