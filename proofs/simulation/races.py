"""The races of a checkout, as things that can be seen to have happened."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from services.inventory.model import ReservationState
from services.order.model import CheckoutState
from services.payment.model import PaymentState
from shared.contract.cart import CheckoutAlreadyConfirmed, CheckoutRejected
from shared.contract.inventory import ReservationFailed, ReservationLost
from shared.contract.message import Message
from shared.contract.order import OrderRejected

CONFIRMED_TWICE: Final = "ConfirmCheckout twice"
EXTENDED_FIRST: Final = "ReservationExtended before CheckoutConfirmed reaches order"
LAST_UNIT: Final = "two carts, one last unit"
COUNTED: Final = "units counted away that are reserved"
GONE: Final = "stock gone when confirmed"
PRICE: Final = "price changed since the quote"
COUPON: Final = "coupon expired or used up since the quote"
TAKEN_ANEW: Final = "authorization after the reservation expired: the stock is taken anew"
LOST: Final = "authorization after the reservation expired: the stock is gone"
OVER: Final = "authorization after the checkout was abandoned or cancelled"
REFUNDED: Final = "CancelOrder while capture is in flight: capture lands"
VOIDED: Final = "CancelOrder while capture is in flight: capture fails"
RETURNED: Final = "CancelOrder after OrderConfirmed"
CAPTURED: Final = "PaymentCaptured for a cancelled order"
TWICE: Final = "same message n times"
FENCED: Final = "same message to two members during a rebalance"
UNREADABLE: Final = "a message no service can read"
AWAY: Final = "the broker, a database or the gateway is away"

RACES: Final = (
    CONFIRMED_TWICE,
    EXTENDED_FIRST,
    LAST_UNIT,
    COUNTED,
    GONE,
    PRICE,
    COUPON,
    TAKEN_ANEW,
    LOST,
    OVER,
    REFUNDED,
    VOIDED,
    RETURNED,
    CAPTURED,
    TWICE,
    FENCED,
    UNREADABLE,
    AWAY,
)

Related = Mapping[str, Mapping[str, Any]]
Seen = Callable[[Any, Any, Related, Sequence[Message]], str | None]
"""Gets the aggregate's state before a reaction, the aggregate, those related, and what was emitted; names the race."""


def _confirm(before: Any, own: Any, related: Related, emitted: Sequence[Message]) -> str | None:
    for event in emitted:
        if isinstance(event, CheckoutAlreadyConfirmed):
            return CONFIRMED_TWICE
        if isinstance(event, CheckoutRejected) and any(reason.code == "price_changed" for reason in event.reasons):
            return PRICE
    return None


def _reserve(before: Any, own: Any, related: Related, emitted: Sequence[Message]) -> str | None:
    """Whether there would have been enough, if others had not been first."""
    stocks = related["stocks"]
    shortages = [shortage for event in emitted if isinstance(event, ReservationFailed) for shortage in event.shortages]
    return LAST_UNIT if any(stocks[s.sku].on_hand >= s.wanted for s in shortages) else None


def _count(before: Any, own: Any, related: Related, emitted: Sequence[Message]) -> str | None:
    return COUNTED if any(isinstance(event, ReservationFailed | ReservationLost) for event in emitted) else None


def _extend(before: Any, own: Any, related: Related, emitted: Sequence[Message]) -> str | None:
    return GONE if any(isinstance(event, ReservationFailed) for event in emitted) else None


def _total(before: Any, own: Any, related: Related, emitted: Sequence[Message]) -> str | None:
    for event in emitted:
        if isinstance(event, OrderRejected) and {reason.code for reason in event.reasons} & {
            "coupon_expired",
            "coupon_used_up",
        }:
            return COUPON
    return EXTENDED_FIRST if before is CheckoutState.WAITING and own.quote is None else None


def _allocate(before: Any, own: Any, related: Related, emitted: Sequence[Message]) -> str | None:
    if before is not ReservationState.EXPIRED:
        return None
    return TAKEN_ANEW if own.state is ReservationState.ALLOCATED else LOST


def _answer(before: Any, own: Any, related: Related, emitted: Sequence[Message]) -> str | None:
    if before is not PaymentState.CAPTURING or not own.unwanted:
        return None
    return {PaymentState.REFUNDING: REFUNDED, PaymentState.VOIDING: VOIDED}.get(own.state)


def _when(state: Any, race: str) -> Seen:
    return lambda before, own, related, emitted: race if before is state else None


SEEN: Final[Mapping[str, Seen]] = {
    "confirm_checkout": _confirm,
    "expire_reservation": _count,
    "reserve_stock": _reserve,
    "extend_reservation": _extend,
    "total_on_confirmed_checkout": _total,
    "total_on_extended_reservation": _total,
    "allocate_stock": _allocate,
    "create_order": _when(CheckoutState.CLOSED, OVER),
    "create_deferred_order": _when(CheckoutState.CLOSED, OVER),
    "on_gateway_result": _answer,
    "cancel_order": _when(CheckoutState.CONFIRMED, RETURNED),
    "confirm_order": _when(CheckoutState.CANCELLED, CAPTURED),
}
"""By the reaction in which a race is decided."""
