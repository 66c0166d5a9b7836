"""The table of steps against the registry of reactions, and the status of a checkout after each set of events."""

from datetime import datetime, timedelta

import pytest

from devstack.reference import choreography
from shared.progress import KINDS, STEPS, Limits, Outcome, Pace, Step, limits, status_of
from shared.settings import load
from tests.support.clock import NOW

REACTIONS = choreography.load().reactions
EMITTED = {(reaction.service, message) for reaction in REACTIONS for message in reaction.emits}
HEARD = {(reaction.service, reaction.trigger) for reaction in REACTIONS}
BY_NAME = {step.name: step for step in STEPS}


def seen(*kinds: str) -> dict[str, datetime]:
    """These events, a second apart."""
    assert set(kinds) <= KINDS.keys()
    return {kind: NOW + timedelta(seconds=n) for n, kind in enumerate(kinds)}


def waits(*kinds: str) -> list[str]:
    """The steps waited in after these events."""
    return [waiting.step.name for waiting in status_of(seen(*kinds)).waits]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_the_service_of_a_step_can_give_every_answer(step: Step) -> None:
    service = step.answers[0].topic.removesuffix(".events")
    assert {(service, kind) for kind in step.answers} <= EMITTED
    assert step.who in (service, "customer", "staff")


@pytest.mark.parametrize("step", [s for s in STEPS if s.pace in (Pace.PROMPT, Pace.GATEWAY)], ids=lambda step: step.name)
def test_the_service_of_a_step_receives_or_emits_its_opening_event(step: Step) -> None:
    opening = [kind for group in step.after for kind in group]
    assert any((step.who, kind) in HEARD | EMITTED for kind in opening)


def test_names_of_steps_and_events_are_unique() -> None:
    assert len(BY_NAME) == len(STEPS)
    assert all(kind.__name__ == name for name, kind in KINDS.items())


STARTED = ("CheckoutStarted", "StockReserved")
CONFIRMED = (*STARTED, "CheckoutConfirmed")
PAYING = (*CONFIRMED, "ReservationExtended", "TotalsCalculated")
ORDERED = (*PAYING, "PaymentAuthorized", "OrderCreated")
PAID = (*ORDERED, "PaymentCaptured", "OrderConfirmed")
DONE = (*PAID, "StockCommitted", "CheckoutCompleted")


@pytest.mark.parametrize(
    ("kinds", "steps", "outcome"),
    [
        ((), [], None),
        (("CheckoutStarted",), ["reserve", "choose"], None),
        (STARTED, ["choose"], None),
        (("CheckoutStarted", "ReservationFailed"), ["reopen_unconfirmed"], Outcome.OUT_OF_STOCK),
        (("CheckoutStarted", "ReservationFailed", "CartReopened"), [], Outcome.OUT_OF_STOCK),
        ((*STARTED, "CheckoutAbandoned"), ["release_abandoned"], Outcome.ABANDONED),
        ((*STARTED, "ReservationExpired"), ["choose"], None),
        ((*STARTED, "ReservationExpired", "CheckoutAbandoned"), [], Outcome.ABANDONED),
        (CONFIRMED, ["extend"], None),
        ((*CONFIRMED, "ReservationFailed"), ["reopen"], Outcome.OUT_OF_STOCK),
        ((*CONFIRMED, "ReservationExtended"), ["total"], None),
        ((*CONFIRMED, "ReservationExtended", "OrderRejected"), ["release", "reopen"], Outcome.REJECTED),
        (PAYING, ["authorize"], None),
        ((*PAYING, "CheckoutAbandoned"), ["authorize", "give_up"], Outcome.ABANDONED),
        ((*PAYING, "PaymentDeclined"), ["reopen"], Outcome.DECLINED),
        ((*PAYING, "PaymentDeclined", "CartReopened"), [], Outcome.DECLINED),
        ((*PAYING, "OrderRejected", "CartReopened", "ReservationReleased"), ["authorize"], Outcome.REJECTED),
        ((*PAYING, "PaymentAuthorized"), ["create"], None),
        ((*PAYING, "PaymentDeferred", "OrderCreated"), ["confirm"], None),
        (ORDERED, ["capture"], None),
        ((*ORDERED, "PaymentCaptured"), ["confirm"], None),
        ((*ORDERED, "CaptureFailed"), ["cancel"], None),
        ((*ORDERED, "ReservationLost"), ["capture", "cancel_lost"], None),
        ((*PAYING, "ReservationLost"), ["authorize", "cancel_lost"], None),
        ((*PAYING, "ReservationLost", "OrderRejected", "CartReopened"), ["authorize"], Outcome.REJECTED),
        ((*PAYING, "ReservationLost", "PaymentDeclined", "CartReopened"), [], Outcome.DECLINED),
        ((*ORDERED, "CaptureFailed", "OrderCancelled"), ["give_back", "release", "reopen"], Outcome.CANCELLED),
        (PAID, ["commit", "clean_up"], None),
        (DONE, [], Outcome.COMPLETED),
        ((*DONE, "OrderCancelled"), ["give_back", "release"], Outcome.CANCELLED),
        ((*DONE, "OrderCancelled", "StockReturned", "PaymentRefunded"), [], Outcome.CANCELLED),
        ((*DONE, "OrderCancelled", "StockReturned", "RefundFailed"), ["settle"], Outcome.CANCELLED),
        ((*DONE, "OrderCancelled", "StockReturned", "RefundFailed", "RefundRetried"), ["retry"], Outcome.CANCELLED),
        ((*DONE, "OrderCancelled", "StockReturned", "RefundRetried", "RefundFailed"), ["settle"], Outcome.CANCELLED),
    ],
)
def test_the_status_after_each_set_of_events(kinds: tuple[str, ...], steps: list[str], outcome: Outcome | None) -> None:
    assert sorted(waits(*kinds)) == sorted(steps)
    assert status_of(seen(*kinds)).outcome == outcome
    assert status_of(seen(*kinds)).finished == (not steps)


def test_a_retry_that_fails_at_the_same_time_has_failed() -> None:
    story = seen(*DONE, "OrderCancelled", "StockReturned", "RefundFailed", "RefundRetried")
    story["RefundFailed"] = story["RefundRetried"]
    assert [waiting.step.name for waiting in status_of(story).waits] == ["settle"]


def test_the_order_of_arrival_changes_nothing() -> None:
    late = dict(reversed(seen(*ORDERED).items()))
    assert status_of(late) == status_of(seen(*ORDERED))


def test_a_step_waits_since_its_last_opening_event() -> None:
    (waiting,) = status_of(seen(*CONFIRMED, "ReservationExtended")).waits
    assert waiting.since == NOW + timedelta(seconds=3)


def test_stock_reserved_again_after_it_expired_is_released() -> None:
    again = (*STARTED, "ReservationExpired", "CheckoutConfirmed", "ReservationExtended", "OrderRejected")
    assert "release" in waits(*again)


def test_the_limits_follow_from_the_settings() -> None:
    shop = load({
        "QUADRILLE_STEP_SECONDS": "5",
        "QUADRILLE_SESSION_SECONDS": "60",
        "QUADRILLE_PAYMENT_ATTEMPTS": "3",
        "QUADRILLE_PAYMENT_BACKOFF_SECONDS": "1",
        "QUADRILLE_GATEWAY_TIMEOUT_SECONDS": "2",
    })  # fmt: skip
    assert limits(shop) == Limits(prompt=5, gateway=2 * 3 * 2 + 1 + 2 + 5, customer=65, person=0)
    assert limits(shop).seconds(BY_NAME["capture"]) == 20
    assert limits(shop).seconds(BY_NAME["settle"]) == 0
