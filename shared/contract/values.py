"""The values messages carry: addresses, quotes, totals, reasons."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from shared.contract.message import (
    MAX_COUPONS,
    MAX_LINES,
    Amount,
    CouponCode,
    Currency,
    Id,
    Quantity,
    Sku,
    StrictValue,
    Text,
    Token,
    Value,
)

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""ISO 3166-1 alpha-2."""
Region = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{1,3}$")]
"""The part of an ISO 3166-2 code after the hyphen, such as ``CA`` in ``US-CA``."""


class Address(StrictValue):
    """Where to ship. Personal data: never logged."""

    name: Text
    street: Text
    city: Text
    postal_code: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 \-]{1,16}$")]
    country: Country
    region: Region | None = None


class PaymentMethod(StrictValue):
    """How the customer pays: a card known by its gateway token, or cash on delivery."""

    kind: Literal["card", "cash_on_delivery"]
    token: Token | None = None

    @model_validator(mode="after")
    def _card_has_token(self) -> "PaymentMethod":
        if (self.kind == "card") != (self.token is not None):
            raise ValueError("a card needs a token, cash on delivery takes none")
        return self


class Item(Value):
    """So many units of one SKU."""

    sku: Sku
    quantity: Quantity


Items = Annotated[tuple[Item, ...], Field(max_length=MAX_LINES, strict=False)]


class Shortage(Value):
    """A SKU of which fewer units are free than wanted."""

    sku: Sku
    wanted: int
    available: int


class Reason(Value):
    """Why something was refused: a code for programs, a sentence for people, and the field or SKU it concerns."""

    code: str
    message: str
    subject: str | None = None


class QuoteLine(Value):
    """A line of the quote: what the customer was shown. ``unit_price`` is in minor units of the quote's currency."""

    sku: Sku
    name: Text
    quantity: Quantity
    unit_price: Amount
    tax_category: Id
    weight_grams: int


class Quote(Value):
    """The cart as the customer confirmed it: all that is needed to calculate totals, with the prices they saw."""

    currency: Currency
    customer_id: Id
    lines: Annotated[tuple[QuoteLine, ...], Field(max_length=MAX_LINES, strict=False)]
    coupons: Annotated[tuple[CouponCode, ...], Field(max_length=MAX_COUPONS, strict=False)] = ()
    shipping_address: Address | None = None
    shipping_method: Id | None = None
    payment_method: PaymentMethod | None = None

    @property
    def items(self) -> tuple[Item, ...]:
        """What to reserve."""
        return tuple(Item(sku=line.sku, quantity=line.quantity) for line in self.lines)


class TotalsLine(Value):
    """One line of the bill, in minor units. ``total = subtotal - discount + tax`` (``tax`` unless included)."""

    sku: Sku
    quantity: int
    unit_price: int
    subtotal: int
    discount: int
    tax: int
    total: int


class CouponDiscount(Value):
    """What one coupon takes off: of the lines (``discount``) and of the shipping (``shipping_discount``)."""

    code: CouponCode
    discount: int
    shipping_discount: int = 0


class Totals(Value):
    """The final bill, in minor units of ``currency``. Every sum is the sum of what is shown.

    ``coupons`` are in the order of application, each once; one that found nothing left to take off shows zeros.
    ``subtotal`` is the sum of the lines' subtotals and ``discount`` of their discounts; ``shipping`` is what shipping
    costs after ``shipping_discount``; ``tax`` is all tax, of lines and shipping. Where ``tax_included``, the prices
    already hold the tax, ``tax`` and ``shipping_tax`` are the part of them that is tax, and
    ``total = subtotal - discount + shipping``; else ``total`` has ``tax`` on top.
    """

    currency: Currency
    lines: Annotated[tuple[TotalsLine, ...], Field(strict=False)]
    coupons: Annotated[tuple[CouponDiscount, ...], Field(strict=False)] = ()
    subtotal: int
    discount: int
    shipping: int
    shipping_discount: int = 0
    shipping_tax: int = 0
    tax: int
    tax_included: bool
    total: int
