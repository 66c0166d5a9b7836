"""Commands to order and order's facts. Key: the cart id (coupons: their code)."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from shared.contract.message import Amount, Command, CouponCode, Currency, Event, Id, Moment, Text
from shared.contract.values import Items, PaymentMethod, Reason, Totals


class CancelOrder(Command):
    """Undo a checkout, at whatever point it is: before the order exists, before or after the capture."""

    topic: ClassVar[str] = "order.commands"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    checkout_id: Id
    reason: Text
    requested_by: Id = "customer"


class DefineCoupon(Command):
    """Make a coupon or change its terms; what was redeemed already stays counted.

    ``percent_off``: hundredths of a percent (1250 is 12.5 %), for ``percentage``. ``amount_off``: minor units by
    currency, for ``fixed_amount``. ``minimum_subtotal``: minor units by currency, before discounts. In a currency that
    either of them does not name the coupon does not hold.
    """

    topic: ClassVar[str] = "order.commands"
    key_field: ClassVar[str] = "code"
    code: CouponCode
    kind: Literal["percentage", "fixed_amount", "free_shipping"]
    percent_off: Annotated[int, Field(ge=1, le=10_000)] | None = None
    amount_off: Annotated[dict[Currency, Amount], Field(min_length=1)] | None = None
    minimum_subtotal: dict[Currency, Amount] = Field(default_factory=dict)
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """How often it may be redeemed, by all customers together."""

    @model_validator(mode="after")
    def _terms_fit_kind(self) -> "DefineCoupon":
        if (self.kind == "percentage") != (self.percent_off is not None):
            raise ValueError("percent_off goes with kind percentage, and only with it")
        if (self.kind == "fixed_amount") != (self.amount_off is not None):
            raise ValueError("amount_off goes with kind fixed_amount, and only with it")
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError("valid_from must be before valid_until")
        return self


class CouponDefined(Event):
    """The coupon holds under these terms."""

    topic: ClassVar[str] = "order.events"
    key_field: ClassVar[str] = "code"
    code: CouponCode


class OrderEvent(Event):
    """A fact about one checkout attempt or its order."""

    topic: ClassVar[str] = "order.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    checkout_id: Id


class CheckoutPreviewed(Event):
    """The totals as they would be now, or every reason why there are none."""

    topic: ClassVar[str] = "order.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    checkout_id: Id | None
    command_id: str
    totals: Totals | None
    reasons: Annotated[tuple[Reason, ...], Field(strict=False)] = ()


class TotalsCalculated(OrderEvent):
    """Step 4: the final totals, to be paid in this way."""

    customer_id: Id
    totals: Totals
    payment_method: PaymentMethod


class OrderRejected(OrderEvent):
    """There will be no order from this attempt. Whoever holds money or stock for it gives it back."""

    reasons: Annotated[tuple[Reason, ...], Field(strict=False)]


class OrderCreated(OrderEvent):
    """Step 6: the order exists."""

    order_number: str
    customer_id: Id
    items: Items
    totals: Totals
    payment: Literal["authorized", "deferred"]


class OrderConfirmed(OrderEvent):
    """The order is paid, or its payment is due on delivery. Final for the customer."""

    order_number: str
    payment: Literal["captured", "due"]
    currency: Currency
    total: int


class OrderCancelled(OrderEvent):
    """The order came to nothing. Whoever holds money or stock for it gives it back."""

    order_number: str
    reasons: Annotated[tuple[Reason, ...], Field(strict=False)]


def in_force(valid_from: datetime | None, valid_until: datetime | None, now: datetime) -> bool:
    """Whether ``now`` lies in the half-open interval of a coupon's dates; a missing end is open."""
    return (valid_from is None or valid_from <= now) and (valid_until is None or now < valid_until)
