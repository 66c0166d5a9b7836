"""The status at every point of recorded timelines: what a checkout waits for, from whom, since when, and how it ended."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.journal.model import Entry, Form
from services.journal.reports import CheckoutReport, report
from shared.progress import Limits, Outcome
from tests.support import stories

CUSTOMER = "customer: CheckoutConfirmed CheckoutAbandoned"
MONEY_BACK = "payment: PaymentVoided PaymentRefunded VoidFailed RefundFailed"
LIMITS = Limits(prompt=30, gateway=120, customer=1800)


def after(name: str, kind: str, seconds: float = 1.0) -> CheckoutReport:
    """The report of the last checkout of a story, some seconds after its first event of a type."""
    entries = stories.load(name).until(kind)
    return report(entries, LIMITS, entries_end(entries) + timedelta(seconds=seconds))[-1]


def entries_end(entries: list[Entry]) -> datetime:
    """When the last of these happened."""
    return max(entry.at for entry in entries)


@pytest.mark.parametrize(
    ("name", "kind", "waits"),
    [
        ("paid", "CheckoutStarted", [CUSTOMER, "inventory: StockReserved ReservationFailed"]),
        ("paid", "StockReserved", [CUSTOMER]),
        ("paid", "TotalsCalculated", ["payment: PaymentAuthorized PaymentDeclined PaymentDeferred"]),
        ("paid", "CheckoutCompleted", []),
        ("cash", "OrderConfirmed", ["cart: CheckoutCompleted", "inventory: StockCommitted ReservationLost"]),
        ("other_total", "OrderRejected", ["cart: CartReopened", "inventory: ReservationReleased StockReturned"]),
        ("void_failed", "VoidFailed", ["staff: PaymentVoided PaymentRefunded"]),
        ("cancelled_during", "ReservationReleased", ["payment: PaymentCaptured CaptureFailed", MONEY_BACK]),
    ],
)
def test_what_a_checkout_waits_for_and_from_whom(name: str, kind: str, waits: list[str]) -> None:
    found = after(name, kind)
    assert sorted(f"{w.who}: {' '.join(w.events)}" for w in found.waits) == waits
    assert found.finished == (not waits)


@pytest.mark.parametrize(
    ("name", "outcome", "result"),
    [
        ("paid", Outcome.COMPLETED, "order Q-0001005 is confirmed, 14.90 EUR captured"),
        ("cash", Outcome.COMPLETED, "order Q-0001008 is confirmed, 14.90 EUR due on delivery"),
        ("another_card", Outcome.COMPLETED, "order Q-0001026 is confirmed, 14.90 EUR captured"),
        ("out_of_stock", Outcome.OUT_OF_STOCK, "out of stock: 1 of 3 sku-"),
        ("expired", Outcome.OUT_OF_STOCK, "out of stock: 0 of 1 sku-"),
        ("other_total", Outcome.REJECTED, "order rejected: the total is 14.90 EUR and not as expected"),
        ("abandoned", Outcome.ABANDONED, "checkout abandoned by customer"),
        ("voided", Outcome.CANCELLED, "order Q-0001036 is cancelled, the payment voided: The card was declined."),
        ("void_failed", Outcome.CANCELLED, "order Q-0001002 is cancelled: The card was declined."),
        ("cancelled_before", Outcome.REJECTED, "order rejected: cancelled by customer: changed my mind"),
        ("cancelled_during", Outcome.CANCELLED, "order Q-0001053 is cancelled, the payment refunded: cancelled by customer"),
        ("cancelled_after", Outcome.CANCELLED, "order Q-0001059 is cancelled, the payment refunded: cancelled by customer"),
        ("poison", Outcome.COMPLETED, "order Q-0001062 is confirmed, 14.90 EUR captured"),
    ],
)
def test_the_result_of_a_checkout(name: str, outcome: Outcome, result: str) -> None:
    entries = stories.load(name).entries
    found = report(entries, LIMITS, entries_end(entries))[-1]
    assert found.outcome == outcome
    assert (found.result or "").startswith(result)
    assert found.finished == (name != "void_failed")


def test_each_attempt_of_a_cart_has_its_own_report() -> None:
    entries = stories.load("another_card").entries
    found = report(entries, LIMITS, entries_end(entries))
    assert [one.outcome for one in found] == [Outcome.DECLINED, Outcome.COMPLETED]
    assert [one.order_number for one in found] == [None, "Q-0001026"]


def test_a_step_is_late_after_its_limit() -> None:
    for seconds, late in ((119, False), (121, True)):
        found = after("paid", "TotalsCalculated", seconds)
        assert (found.late, found.waits[0].late) == (late, late)
        assert found.waits[0].waited == pytest.approx(seconds, abs=0.001)
    assert after("void_failed", "VoidFailed", 0.001).late, "a person is needed at once"


def test_a_dead_letter_explains_a_late_step() -> None:
    entries = stories.load("paid").until("PaymentAuthorized")
    authorized = entries[-1]
    failure = {"service": "order", "stage": "create_order", "error": "KeyError: 'totals'", "origin": "payment.events/2/7"}
    later = authorized.at + timedelta(seconds=1)
    dead = replace(
        authorized, topic="checkout.dlq", form=Form.DEAD_LETTER, at=later, recorded_at=later, facts={"failure": failure}
    )
    (awaited,) = report([*entries, dead], LIMITS, later)[0].waits
    assert awaited.trouble == "order could not handle it (create_order): KeyError: 'totals' [payment.events/2/7]"
    (awaited,) = report([*entries, replace(dead, facts={"failure": {**failure, "service": "cart"}})], LIMITS, later)[0].waits
    assert awaited.trouble is None


def test_entries_without_a_checkout_have_no_report() -> None:
    assert report(stories.load("paid").until("CartChanged"), LIMITS, stories.load("paid").entries[0].at) == []
