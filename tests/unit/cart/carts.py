"""Cart where one cart has come to any of its states, by the messages that lead there."""

from typing import Any, Final

from services.cart.model import Cart
from shared.contract.cart import (
    AbandonCheckout,
    AddItem,
    ApplyCoupon,
    ConfirmCheckout,
    OpenCart,
    SetPaymentMethod,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.order import OrderConfirmed
from shared.contract.payment import PaymentDeclined
from shared.contract.products import ProductListed
from tests.support.facts import CART, a
from tests.support.solo import Solo

SOLD: Final = (("tea", 1000), ("cup", 500))
FILLED: Final = (a(OpenCart), a(AddItem, sku="tea", quantity=2), a(AddItem, sku="cup"), a(ApplyCoupon))
STARTED: Final = (*FILLED, a(StartCheckout))
CHOSEN: Final = (a(SetShippingAddress), a(SetShippingMethod), a(SetPaymentMethod))
READY: Final = (*STARTED, *CHOSEN)
LOCKED: Final = (*READY, a(ConfirmCheckout))
ABANDON: Final = a(AbandonCheckout)

STATES: Final[dict[str, tuple[Any, ...]]] = {
    "unknown": (),
    "active": FILLED,
    "checkout": STARTED,
    "ready": READY,
    "locked": LOCKED,
    "locked, given up": (*LOCKED, ABANDON),
    "given up": (*READY, ABANDON),
    "failed": (*LOCKED, a(PaymentDeclined)),
    "next": (*LOCKED, a(PaymentDeclined), a(StartCheckout)),
    "inactive": (*LOCKED, a(OrderConfirmed)),
}
"""``ready``: all is chosen. ``given up`` and ``failed``: active again. ``next``: in a second attempt."""


def cart_in(state: str) -> Solo:
    """The service, with a cart of two tea for 10.00 EUR each and a cup for 5.00 EUR."""
    made = Solo("cart")
    made.hear_all(*(a(ProductListed, sku=sku, name=sku, prices={"EUR": price}, weight_grams=100) for sku, price in SOLD))
    made.hear_all(*STATES[state])
    return made


def cart(made: Solo) -> Cart:
    return made.own(Cart, CART)
