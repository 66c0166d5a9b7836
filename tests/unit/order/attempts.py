"""Order where one attempt to check out has come to any of its states, by the messages that lead there."""

from typing import Any, Final

from services.order.coupon import Coupon
from services.order.model import Checkout
from shared.contract.cart import CheckoutAbandoned, CheckoutConfirmed
from shared.contract.inventory import ReservationExtended, ReservationFailed, ReservationLost
from shared.contract.order import CancelOrder, DefineCoupon
from shared.contract.payment import PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentDeferred
from tests.support.facts import CHECKOUT, QUOTE, a
from tests.support.solo import Solo

COUPON: Final = "TEN"
CONFIRMED: Final = a(CheckoutConfirmed, quote=QUOTE.model_copy(update={"coupons": (COUPON,)}))
EXTENDED: Final = a(ReservationExtended)
ABANDONED: Final = a(CheckoutAbandoned, by="customer")
CANCEL: Final = a(CancelOrder, reason="changed my mind")
PAYING: Final = (CONFIRMED, EXTENDED)
CREATED: Final = (*PAYING, a(PaymentAuthorized))

STATES: Final[dict[str, tuple[Any, ...]]] = {
    "unknown": (),
    "quoted": (CONFIRMED,),
    "reserved": (EXTENDED,),
    "paying": PAYING,
    "created": CREATED,
    "confirmed": (*CREATED, a(PaymentCaptured)),
    "due": (*PAYING, a(PaymentDeferred)),
    "without stock": (a(ReservationFailed),),
    "lost early": (a(ReservationLost),),
    "abandoned early": (ABANDONED,),
    "cancelled early": (CANCEL,),
    "rejected": (*PAYING, CANCEL),
    "declined": (*PAYING, a(PaymentDeclined)),
    "cancelled": (*CREATED, CANCEL),
}
"""``reserved``: the reservation is known and the quote is not. ``due``: confirmed, to be paid on delivery."""
USED: Final = ("paying", "created", "confirmed", "due")
"""Where the coupon of the attempt counts as redeemed."""


def order(state: str) -> Solo:
    """With a coupon of 10 %, which every attempt here uses."""
    made = Solo("order")
    made.hear(DefineCoupon(code=COUPON, kind="percentage", percent_off=1000, limit=1))
    made.hear_all(*STATES[state])
    check(made)
    return made


def checkout(made: Solo, checkout_id: str = CHECKOUT) -> Checkout:
    return made.own(Checkout, checkout_id)


def coupon(made: Solo) -> Coupon:
    return made.own(Coupon, COUPON)


def check(made: Solo) -> None:
    """A coupon is redeemed by those attempts that say so, and never more often than allowed."""
    redeemed = sum(attempt.coupons_redeemed for attempt in made.aggregates[Checkout].values())
    assert coupon(made).redeemed == redeemed <= 1
