"""Commands to order and order's facts. Key: the cart id (coupons: their code)."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from shared.contract.message import Amount, Command, CouponCode, Currency, CustomerId, Event, Id, Moment, Text, fault
from shared.contract.values import Items, PaymentMethod, Reason, Totals


class CancelOrder(Command):
    """Undo a checkout, at whatever point it is: before the order exists, before or after the capture."""

    topic: ClassVar[str] = "order.commands"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    checkout_id: Id
    reason: Text
    requested_by: Text = "customer"
    """``customer``, or who of the staff."""


class DefineCoupon(Command):
    """Make a coupon or change its terms; what was redeemed already stays counted.

    It does not hold in a currency that ``amount_off`` or ``minimum_subtotal`` does not name, where either is given.
    """

    topic: ClassVar[str] = "order.commands"
    key_field: ClassVar[str] = "code"
    code: CouponCode
    """What customers type."""
    kind: Literal["percentage", "fixed_amount", "free_shipping"]
    """What it takes off."""
    percent_off: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Hundredths of a percent of the lines, for ``percentage``: 1250 is 12.5 %."""
    amount_off: Annotated[dict[Currency, Amount], Field(min_length=1)] | None = None
    """Minor units by currency, for ``fixed_amount``."""
    minimum_subtotal: dict[Currency, Amount] = Field(default_factory=dict)
    """Minor units by currency, before discounts, from which on it holds."""
    valid_from: Moment | None = None
    """It holds from then on; missing: always."""
    valid_until: Moment | None = None
    """It holds until before then; missing: for ever."""
    limit: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """How often it may be redeemed, by all customers together."""

    @model_validator(mode="after")
    def _terms_fit_kind(self) -> "DefineCoupon":
        if (self.kind == "percentage") != (self.percent_off is not None):
            raise fault("terms_of_coupon", "percent_off goes with kind percentage, and only with it")
        if (self.kind == "fixed_amount") != (self.amount_off is not None):
            raise fault("terms_of_coupon", "amount_off goes with kind fixed_amount, and only with it")
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise fault("terms_of_coupon", "valid_from must be before valid_until")
        return self


class CouponDefined(Event):
    """The coupon holds under these terms."""

    topic: ClassVar[str] = "order.events"
    key_field: ClassVar[str] = "code"
    code: CouponCode
    """The coupon."""


class OrderEvent(Event, abstract=True):
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
    """The attempt, where one is under way."""
    command_id: str
    totals: Totals | None
    """The bill; missing where there are reasons."""
    reasons: Annotated[tuple[Reason, ...], Field(strict=False)] = ()
    """Every one why it could not be ordered as it is."""


class TotalsCalculated(OrderEvent):
    """Step 4: the final totals, to be paid in this way."""

    customer_id: CustomerId
    totals: Totals
    payment_method: PaymentMethod


class OrderRejected(OrderEvent):
    """There will be no order from this attempt. Whoever holds money or stock for it gives it back."""

    reasons: Annotated[tuple[Reason, ...], Field(strict=False)]


class OrderCreated(OrderEvent):
    """Step 6: the order exists."""

    order_number: str
    customer_id: CustomerId
    items: Items
    """What is to be delivered."""
    totals: Totals
    payment: Literal["authorized", "deferred"]
    """``authorized``: held and now to be captured; ``deferred``: due on delivery, or nothing to pay."""


class OrderConfirmed(OrderEvent):
    """The order is paid, or its payment is due on delivery. Final for the customer."""

    order_number: str
    payment: Literal["captured", "due"]
    """``captured``: the money is ours; ``due``: on delivery, or nothing to pay."""
    currency: Currency
    total: int
    """Minor units of the currency."""


class OrderCancelled(OrderEvent):
    """The order came to nothing. Whoever holds money or stock for it gives it back."""

    order_number: str
    reasons: Annotated[tuple[Reason, ...], Field(strict=False)]


def order_number(number: int) -> str:
    """An order's number as people see it: ``order_number(1001) == "Q-0001001"``."""
    return f"Q-{number:07d}"


def in_force(valid_from: datetime | None, valid_until: datetime | None, now: datetime) -> bool:
    """Whether ``now`` lies in the half-open interval of a coupon's dates; a missing end is open."""
    return (valid_from is None or valid_from <= now) and (valid_until is None or now < valid_until)
