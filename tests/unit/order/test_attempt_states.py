"""Every message that concerns an attempt or its order, in every state it can meet: right, early, twice, late."""

import pytest

from services.order.model import Checkout
from shared.contract.inventory import ReservationFailed, ReservationLost
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected, TotalsCalculated
from shared.contract.payment import CaptureFailed, PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentDeferred
from shared.contract.rejection import CommandRejected
from tests.support.facts import CHECKOUT, a
from tests.support.moves import Move, Table, play, rows
from tests.unit.order.attempts import ABANDONED, CANCEL, CONFIRMED, EXTENDED, STATES, USED, check, coupon, order

CLOSED = ("without stock", "lost early", "abandoned early", "cancelled early", "rejected", "declined")
TRIGGERS = {
    "CheckoutConfirmed": CONFIRMED,
    "ReservationExtended": EXTENDED,
    "ReservationFailed": a(ReservationFailed),
    "PaymentAuthorized": a(PaymentAuthorized),
    "PaymentDeferred": a(PaymentDeferred),
    "PaymentDeclined": a(PaymentDeclined),
    "PaymentCaptured": a(PaymentCaptured),
    "CaptureFailed": a(CaptureFailed),
    "ReservationLost": a(ReservationLost),
    "CheckoutAbandoned": ABANDONED,
    "CancelOrder": CANCEL,
}
TOO_LATE = dict.fromkeys(CLOSED, ("closed", OrderRejected))
OFF = {"created": ("cancelled", OrderCancelled)}
OFF_EVEN_CONFIRMED = dict.fromkeys(("created", "confirmed", "due"), ("cancelled", OrderCancelled))
REJECTED = dict.fromkeys(("quoted", "reserved", "paying"), ("closed", OrderRejected))
MOVES: Table = {
    "CheckoutConfirmed": {
        "unknown": ("waiting",),
        "reserved": ("paying", TotalsCalculated),
        "without stock": ("closed",),
        "abandoned early": ("closed", OrderRejected),
        "cancelled early": ("closed", OrderRejected),
        "lost early": ("closed", OrderRejected),
    },
    "ReservationExtended": {"unknown": ("waiting",), "quoted": ("paying", TotalsCalculated)},
    "ReservationFailed": dict.fromkeys(("unknown", "quoted", "reserved", "paying"), ("closed",)),
    "PaymentAuthorized": {"paying": ("created", OrderCreated), **TOO_LATE},
    "PaymentDeferred": {"paying": ("confirmed", OrderCreated, OrderConfirmed), **TOO_LATE},
    "PaymentDeclined": {"paying": ("closed",)},
    "PaymentCaptured": {"created": ("confirmed", OrderConfirmed)},
    "CaptureFailed": OFF,
    "ReservationLost": {"unknown": ("closed", OrderRejected), **REJECTED, **OFF_EVEN_CONFIRMED},
    "CheckoutAbandoned": {"unknown": ("closed",), **REJECTED, **OFF},
    "CancelOrder": {
        "unknown": ("closed", OrderRejected),
        **REJECTED,
        **OFF_EVEN_CONFIRMED,
        **dict.fromkeys(CLOSED, ("closed", CommandRejected)),
        "cancelled": ("cancelled", CommandRejected),
    },
}


@pytest.mark.parametrize(("trigger", "move"), rows(MOVES, STATES), ids=str)
def test_a_message_in_a_state(trigger: str, move: Move) -> None:
    made = order(move.start)
    emitted = play(made, Checkout, CHECKOUT, TRIGGERS[trigger], move)
    check(made)
    for event in emitted:
        assert event.key == "cart1"
        assert isinstance(event, CommandRejected) or event.subject == CHECKOUT


@pytest.mark.parametrize("state", STATES)
def test_a_coupon_counts_while_there_may_be_or_is_an_order(state: str) -> None:
    assert coupon(order(state)).redeemed == (state in USED)
