"""The attempt to check a cart out, and the order that comes of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.order.coupon import Coupon
from shared.contract.order import order_number
from shared.contract.values import Quote, Reason, Totals


class CheckoutState(StrEnum):
    """``waiting`` for quote and reservation → ``paying`` → order ``created`` → ``confirmed``, or an end.

    ``closed``: there is and will be no order. ``cancelled``: there was one.
    """

    WAITING = "waiting"
    PAYING = "paying"
    CREATED = "created"
    CONFIRMED = "confirmed"
    CLOSED = "closed"
    CANCELLED = "cancelled"


@dataclass(slots=True)
class OrderNumber:
    """The number of the order an attempt leads to: each order has the next of its database's sequence."""

    checkout_id: str
    number: int = 0


@dataclass(slots=True)
class Checkout:
    """One attempt: its quote, whether its units are reserved and until when, its totals, and the state of its order.

    ``number``: its order's, once there is one. ``coupons_redeemed``: whether its coupons
    count as used, so that each is counted and given back once. ``rejected``: why order itself closed it.
    """

    checkout_id: str
    cart_id: str = ""
    number: int | None = None
    state: CheckoutState = CheckoutState.WAITING
    quote: Quote | None = None
    expected_total: int | None = None
    reserved_until: datetime | None = None
    totals: Totals | None = None
    coupons_redeemed: bool = False
    payment: str | None = None
    rejected: tuple[Reason, ...] = ()
    created_at: datetime | None = None

    @property
    def known(self) -> bool:
        """Whether anything was ever heard of this attempt."""
        return bool(self.cart_id)

    @property
    def open(self) -> bool:
        """Whether there may still be an order."""
        return self.state in (CheckoutState.WAITING, CheckoutState.PAYING)

    @property
    def complete(self) -> bool:
        """Whether both halves are there: the quote from cart, the reservation from inventory."""
        return self.state is CheckoutState.WAITING and self.quote is not None and self.reserved_until is not None

    @property
    def order_number(self) -> str:
        """The order's number, for people."""
        assert self.number is not None, f"{self.checkout_id} has no order"
        return order_number(self.number)

    def bill(self, totals: Totals, coupons: Mapping[str, Coupon]) -> None:
        """The totals are final: ask for the money. The coupons are used up by it."""
        assert self.quote is not None
        self.state, self.totals, self.coupons_redeemed = CheckoutState.PAYING, totals, True
        for code in set(self.quote.coupons):
            coupons[code].redeem()

    def create_order(self, number: int, payment: str, now: datetime) -> None:
        """The money is held, or due later: the order exists."""
        self.state, self.number, self.payment, self.created_at = CheckoutState.CREATED, number, payment, now

    def end(self, state: CheckoutState, coupons: Mapping[str, Coupon]) -> None:
        """No order, or none any more: the coupons may be used again."""
        self.state = state
        if self.coupons_redeemed and self.quote is not None:
            self.coupons_redeemed = False
            for code in set(self.quote.coupons):
                coupons[code].give_back()


def coupon_codes(checkout: Checkout, *_: object) -> Iterable[str]:
    """The coupons of an attempt whose quote is known."""
    return checkout.quote.coupons if checkout.quote else ()
