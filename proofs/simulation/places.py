"""Where a story can lead: each reaction with each state its aggregate can be in when its trigger comes."""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final, get_args, get_type_hints

from proofs.simulation.wiring import Wired, wiring
from services.cart.model import CartState as Cart
from services.inventory.model import ReservationState as Reservation
from services.order.model import CheckoutState as Order
from services.payment.model import PaymentState as Payment
from shared.contract.services import SERVICES

Place = tuple[str, str, Any]
"""Service, reaction, and the state its aggregate was in before; no state where it is new or knows none."""

TIMED: Final[Mapping[str, tuple[Any, ...]]] = {
    "expire_session": (Cart.CHECKOUT,),
    "expire_reservation": (Reservation.HELD, Reservation.EXTENDED, Reservation.FAILED),
    "warn_expiring_authorization": (Payment.AUTHORIZED,),
}
"""All that a deadline can strike: the states that have one."""
_CAPTURE: Final = (Payment.CAPTURING, Payment.CAPTURED, Payment.CAPTURE_FAILED, Payment.REFUNDING)
_ORDERED: Final = (Order.CREATED, Order.CONFIRMED, Order.CANCELLED)
_GIVEN_BACK: Final = (Payment.VOIDING, Payment.VOIDED, Payment.VOID_FAILED)
_REFUND: Final = (Payment.REFUNDING, Payment.REFUNDED, Payment.REFUND_FAILED)
NEVER: Final[Mapping[str, tuple[Any, ...]]] = {
    # Comes of a checkout that cart has confirmed or at least started, and of its end but one event.
    "revert_rejected_change": (None,),
    "reopen_on_failed_reservation": (None,),
    "reopen_on_declined_payment": (None,),
    "reopen_on_cancelled_order": (None, Cart.ACTIVE, Cart.CHECKOUT),
    "complete_on_confirmed_order": (None,),
    # A checkout is confirmed once, and its units are extended once or fail.
    "extend_reservation": (Reservation.EXTENDED, Reservation.ALLOCATED, Reservation.COMMITTED),
    "total_on_confirmed_checkout": (Order.PAYING, *_ORDERED),
    "total_on_extended_reservation": (Order.PAYING, *_ORDERED),
    "close_on_failed_reservation": _ORDERED,
    # There are totals once, of what was extended, and so one payment: held, deferred or declined.
    "authorize": tuple(state for state in Payment if state is not Payment.VOIDED),
    "on_gateway_result": (None, Payment.DEFERRED, Payment.PAID),
    "give_up_timed_out": (None, Payment.DEFERRED, Payment.PAID),
    "create_order": (Order.WAITING, *_ORDERED),
    "create_deferred_order": (Order.WAITING, *_ORDERED),
    "close_on_declined_payment": (Order.WAITING, *_ORDERED),
    "keep_reserved_on_declined_payment": (None, Reservation.HELD, Reservation.ALLOCATED, Reservation.COMMITTED),
    # An order is created once, of what is held or deferred, or it is rejected; what is captured follows from it.
    "allocate_stock": (None, Reservation.HELD, Reservation.ALLOCATED),
    "release_or_return_rejected": (Reservation.ALLOCATED, Reservation.COMMITTED),
    "capture": (None, Payment.AUTHORIZING, Payment.DECLINED, *_CAPTURE),
    "void_or_refund_rejected": _CAPTURE,
    "confirm_order": (Order.WAITING, Order.PAYING, Order.CONFIRMED, Order.CLOSED),
    "cancel_on_failed_capture": (Order.WAITING, Order.PAYING, Order.CONFIRMED, Order.CLOSED),
    # It is confirmed once and cancelled once, and nothing but that gives its money back.
    "commit_stock": (None, Reservation.HELD, Reservation.COMMITTED),
    "release_or_return_cancelled": (None, Reservation.HELD),
    "void_or_refund_cancelled": (None, Payment.AUTHORIZING, Payment.DECLINED, *_GIVEN_BACK, *_REFUND),
}
"""States in which a trigger cannot come, in whatever order what was published is handled, for what had to happen before it."""


def places() -> Iterator[Place]:
    """Every reaction with every state its aggregate can be in."""
    for service in SERVICES:
        known = wiring(service)
        for wired in (*known.by_trigger.values(), *known.timers.values()):
            for state in TIMED.get(wired.name) or states(wired):
                if state not in NEVER.get(wired.name, ()):
                    yield service, wired.name, state


def named(place: Place) -> str:
    """A place in words."""
    service, reaction, state = place
    return f"{service}: {reaction} × {state or 'new'}"


def states(wired: Wired) -> tuple[Any, ...]:
    """All that the aggregate of a reaction can ever be in."""
    if wired.kind is None or not wired.stateful:
        return (None,)
    hint = get_type_hints(wired.kind)["state"]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return tuple(hint)
    return (None, *(state for kind in get_args(hint) if issubclass(kind, Enum) for state in kind))
