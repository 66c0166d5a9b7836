"""The moment up to which a group has read everything, and dead letters that were lost."""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.alerts.watchdog.groups import ConsumerGroupMonitor
from shared.lag.model import Group, Position, Snapshot
from shared.settings import load
from tests.support.reported import Reported

AT = 1_000_000.0
TOPICS = {"cart.events"}


def read_until(*positions: Position) -> float | None:
    """Seconds before the snapshot."""
    nobody: Any = None
    groups = ConsumerGroupMonitor(load({"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}), nobody)
    assert groups.read_until("quadrille.journal", TOPICS) is None
    found = {("cart.events", number): position for number, position in enumerate(positions)}
    found["cart.commands", 0] = Position(5, 9, 0, age=1_000.0)  # another topic may be held back
    groups.window.add(Snapshot(AT, {"quadrille.journal": Group("quadrille.journal", "Stable", 1, found)}))
    until = groups.read_until("quadrille.journal", TOPICS)
    return None if until is None else (datetime.fromtimestamp(AT, UTC) - until).total_seconds()


@pytest.mark.parametrize(
    ("positions", "before"),
    [
        ([Position(5, 5, 0)], 0.0),
        ([Position(5, 5, 0), Position(5, 9, 0, age=42.0), Position(5, 6, 0, age=7.0)], 42.0),
        ([Position(None, 3, 3)], 0.0),
        ([Position(5, 5, 0), Position(None, 4, 3, age=None)], None),
        ([Position(5, 9, 0, age=None)], None),
    ],
)
def test_everything_before_the_oldest_unread_event_was_read(positions: list[Position], before: float | None) -> None:
    assert read_until(*positions) == before


def test_dead_letters_that_were_deleted_unread_are_reported_once() -> None:
    """Faust skips them silently."""
    reported: Any = Reported()
    groups = ConsumerGroupMonitor(load({"QUADRILLE_TOPIC_PREFIX": "shop."}), reported)
    name = "shop.quadrille.alerts.dead-letters"
    for current in (5, 5, 30, None):
        found = {("shop.checkout.dlq", 2): Position(current, 40, 20), ("shop.checkout.dlq", 3): Position(20, 20, 20)}
        groups.update(Snapshot(AT, {name: Group(name, "Stable", 1, found)}), AT)
    (failure,) = reported.open
    assert (failure.kind, failure.severity) == ("records_lost", "critical")
    assert "never read the offsets 5 to 19 of shop.checkout.dlq/2" in failure.title
