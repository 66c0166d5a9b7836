"""How long each step of a checkout took, and how it ended."""

from prometheus_client import REGISTRY

from services.journal.metrics import durations, observe, total_duration
from services.journal.model import Checkout
from shared.progress import Outcome
from tests.support.clock import NOW

STORY = {
    "CheckoutStarted": 0,
    "StockReserved": 1_000,
    "CheckoutConfirmed": 60_000,
    "ReservationExtended": 61_000,
    "TotalsCalculated": 63_000,
    "PaymentAuthorized": 70_000,
    "OrderCreated": 71_000,
    "PaymentCaptured": 75_000,
    "OrderConfirmed": 76_000,
    "StockCommitted": 77_000,
}
DONE = {**STORY, "CheckoutCompleted": 78_000}


def test_the_seconds_of_each_step() -> None:
    took = durations(STORY)
    assert took["reserve"] == 1
    assert took["authorize"] == 7
    assert took["total"] == 2, "from the later of what it needs"
    assert "clean_up" not in took
    assert durations({"PaymentAuthorized": 1_000}) == {}, "nobody knows when it began"


def test_the_seconds_of_a_whole_checkout_begin_with_the_confirmation() -> None:
    assert total_duration(DONE, Outcome.COMPLETED) == 18
    assert total_duration({"CheckoutConfirmed": 60_000, "ReservationFailed": 60_500}, Outcome.OUT_OF_STOCK) == 0.5
    assert total_duration({"CheckoutStarted": 0, "CheckoutAbandoned": 9_000}, Outcome.ABANDONED) is None
    assert total_duration({"CheckoutConfirmed": 60_000, "OrderRejected": 59_000}, Outcome.REJECTED) == 0, "clocks differ"


def test_steps_and_outcomes_count_once_however_often_events_are_read() -> None:
    def counted() -> list[float | None]:
        return [
            REGISTRY.get_sample_value("quadrille_checkouts_total", {"outcome": "completed"}),
            REGISTRY.get_sample_value("quadrille_checkout_seconds_sum", {"outcome": "completed"}),
            REGISTRY.get_sample_value("quadrille_step_seconds_count", {"step": "clean_up"}),
            REGISTRY.get_sample_value("quadrille_step_seconds_count", {"step": "authorize"}),
        ]

    before = counted()
    checkout = Checkout("c.1", "c", NOW, NOW, dict(DONE))
    checkout.update_status()
    observe([checkout], {"c.1": STORY.keys()})
    observe([checkout], {"c.1": DONE.keys()})
    assert [after - (first or 0) for after, first in zip(counted(), before, strict=True) if after is not None] == [1, 18, 1, 0]
