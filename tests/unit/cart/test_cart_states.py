"""Every message that concerns a cart, in every state it can meet: right, early, twice, late."""

from typing import Any

import pytest

from services.cart.model import Cart
from shared.contract.cart import (
    AddItem,
    ApplyCoupon,
    CartChanged,
    CartOpened,
    CartReopened,
    CheckoutAbandoned,
    CheckoutAlreadyConfirmed,
    CheckoutAlreadyStarted,
    CheckoutChanged,
    CheckoutChangeRejected,
    CheckoutCompleted,
    CheckoutConfirmed,
    CheckoutDetailsSet,
    CheckoutRejected,
    CheckoutStarted,
    ConfirmCheckout,
    OpenCart,
    PreviewCheckout,
    PreviewRequested,
    RemoveCoupon,
    RemoveItem,
    SetPaymentMethod,
    SetQuantity,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.inventory import ReservationChangeRejected, ReservationFailed
from shared.contract.message import Message
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderRejected
from shared.contract.payment import PaymentDeclined
from shared.contract.rejection import CommandRejected
from tests.support.facts import CART, CHECKOUT, NEXT, a
from tests.support.moves import Move, Table, play, rows
from tests.unit.cart.carts import ABANDON, STATES, cart, cart_in

TRIGGERS: dict[str, Message] = {
    "OpenCart": a(OpenCart),
    "AddItem": a(AddItem, sku="tea"),
    "SetQuantity": a(SetQuantity, sku="tea", quantity=5),
    "RemoveItem": a(RemoveItem, sku="cup"),
    "ApplyCoupon": a(ApplyCoupon, code="FIVE"),
    "RemoveCoupon": a(RemoveCoupon),
    "StartCheckout": a(StartCheckout),
    "SetShippingAddress": a(SetShippingAddress),
    "SetShippingMethod": a(SetShippingMethod, method="express"),
    "SetPaymentMethod": a(SetPaymentMethod),
    "PreviewCheckout": a(PreviewCheckout),
    "ConfirmCheckout": a(ConfirmCheckout),
    "AbandonCheckout": ABANDON,
    "ReservationChangeRejected": a(ReservationChangeRejected),
    "ReservationFailed": a(ReservationFailed),
    "OrderRejected": a(OrderRejected),
    "PaymentDeclined": a(PaymentDeclined),
    "OrderCancelled": a(OrderCancelled),
    "OrderConfirmed": a(OrderConfirmed),
}
ACTIVE, CHECKOUTS = ("active", "given up", "failed"), ("checkout", "ready", "next")
OF_THIS_ATTEMPT = ("checkout", "ready", "locked", "locked, given up")


def each(states: tuple[str, ...], end: str, *emitted: type[Message]) -> dict[str, tuple[Any, ...]]:
    return dict.fromkeys(states, (end, *emitted))


def or_refused(right: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """A command: right in these states, refused in all others."""
    return {state: right.get(state, (cart(cart_in(state)).state, CommandRejected)) for state in STATES}


CHANGED = or_refused({**each(ACTIVE, "active", CartChanged), **each(CHECKOUTS, "checkout", CheckoutChanged)})
COUPON = or_refused({**each(ACTIVE, "active", CartChanged), **each(CHECKOUTS, "checkout", CartChanged)})
DETAIL = or_refused(each(CHECKOUTS, "checkout", CheckoutDetailsSet))
REOPENED = each(OF_THIS_ATTEMPT, "active", CartReopened)
MOVES: Table = {
    "OpenCart": or_refused(
        {"unknown": ("active", CartOpened), **each(ACTIVE, "active", CartOpened), **each(CHECKOUTS, "checkout", CartOpened)}
    ),
    "AddItem": CHANGED,
    "SetQuantity": CHANGED,
    "RemoveItem": CHANGED,
    "ApplyCoupon": COUPON,
    "RemoveCoupon": COUPON,
    "StartCheckout": or_refused(
        {**each(ACTIVE, "checkout", CheckoutStarted), **each(CHECKOUTS, "checkout", CheckoutAlreadyStarted)}
    ),
    "SetShippingAddress": DETAIL,
    "SetShippingMethod": DETAIL,
    "SetPaymentMethod": DETAIL,
    "PreviewCheckout": or_refused(
        {**each(ACTIVE, "active", PreviewRequested), **each(CHECKOUTS, "checkout", PreviewRequested)}
    ),
    "ConfirmCheckout": {
        "unknown": (None, CheckoutRejected),
        **each(("active", "given up"), "active", CheckoutRejected),
        **each(("checkout", "next"), "checkout", CheckoutRejected),
        "ready": ("locked", CheckoutConfirmed),
        **each(("locked", "locked, given up"), "locked", CheckoutAlreadyConfirmed),
        "failed": ("active", CheckoutAlreadyConfirmed),
        "inactive": ("inactive", CheckoutAlreadyConfirmed),
    },
    "AbandonCheckout": or_refused({**each(CHECKOUTS, "active", CheckoutAbandoned), "locked": ("locked", CheckoutAbandoned)}),
    "ReservationChangeRejected": each(("checkout", "ready"), "checkout", CheckoutChangeRejected),
    "ReservationFailed": REOPENED,
    "OrderRejected": REOPENED,
    "PaymentDeclined": REOPENED,
    "OrderCancelled": REOPENED,
    "OrderConfirmed": each(OF_THIS_ATTEMPT, "inactive", CheckoutCompleted),
}


@pytest.mark.parametrize(("trigger", "move"), rows(MOVES, STATES), ids=str)
def test_a_message_in_a_state(trigger: str, move: Move) -> None:
    made = cart_in(move.start)
    attempt = (
        NEXT if move.start == "next" or (trigger == "StartCheckout" and move.start in ("given up", "failed")) else CHECKOUT
    )
    for event in play(made, Cart, CART, TRIGGERS[trigger], move):
        assert event.key == CART
        assert getattr(event, "checkout_id", None) in (None, attempt)
    assert (cart(made).session is not None) == (cart(made).state in ("checkout", "locked"))
    assert (cart(made).due_at is not None) == (cart(made).state == "checkout")


EVENTS = ("ReservationFailed", "OrderRejected", "PaymentDeclined", "OrderCancelled", "OrderConfirmed")


@pytest.mark.parametrize("trigger", EVENTS)
@pytest.mark.parametrize("late", EVENTS)
def test_an_attempt_ends_once(trigger: str, late: str) -> None:
    """Whatever comes after the end, from whomever: a cart that is done stays done, one that is open again stays open."""
    made = cart_in("locked")
    assert len(made.hear(TRIGGERS[trigger])) == 1
    ended = cart(made).state
    assert made.hear(TRIGGERS[late]) == []
    assert cart(made).state == ended
