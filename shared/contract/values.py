"""The values messages carry: addresses, quotes, totals, reasons."""

from functools import lru_cache
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StringConstraints, ValidationInfo, model_validator

from shared.contract.countries import POSTAL_CODE_REQUIRED
from shared.contract.message import (
    MAX_COUPONS,
    MAX_LINES,
    Amount,
    CouponCode,
    Currency,
    CustomerId,
    Id,
    NoCardNumber,
    Quantity,
    Sku,
    StrictValue,
    Text,
    Token,
    Value,
    fault,
    is_at_the_door,
)

_COUNTRY, _REGION, _POSTAL_CODE = "^[A-Z]{2}$", "^[A-Z0-9]{1,3}$", r"^[A-Za-z0-9 \-]{1,16}$"
PATTERNS: Final = {
    _COUNTRY: "must be the two capital letters of a country (ISO 3166-1), such as DE",
    _REGION: "must be the part of an ISO 3166-2 code after the hyphen, such as CA",
    _POSTAL_CODE: "must be 1 to 16 letters, digits, spaces and hyphens; leave it out where the country has none",
}
"""What the patterns of addresses mean, in words."""
Country = Annotated[str, StringConstraints(pattern=_COUNTRY)]
"""ISO 3166-1 alpha-2."""
Region = Annotated[str, StringConstraints(pattern=_REGION)]
"""The part of an ISO 3166-2 code after the hyphen, such as ``CA`` in ``US-CA``."""


class Address(StrictValue):
    """Where to ship. Personal data: never logged."""

    name: Text
    """Who receives it."""
    street: Text
    """Street and number."""
    city: Text
    """Town."""
    postal_code: Annotated[str, StringConstraints(pattern=_POSTAL_CODE), NoCardNumber] | None = None
    """As the country writes it; nothing where it has none."""
    country: Country
    """ISO 3166-1 alpha-2."""
    region: Region | None = None
    """The part of an ISO 3166-2 code after the hyphen, where taxes or carriers ask for it."""

    @model_validator(mode="after")
    def _postal_code_where_needed(self, info: ValidationInfo) -> Self:
        if self.postal_code is None and self.country in POSTAL_CODE_REQUIRED and is_at_the_door(info):
            raise fault("postal_code_missing", f"an address in {self.country} needs a postal_code")
        return self


class PaymentMethod(StrictValue):
    """How the customer pays: a card known by its gateway token, or cash on delivery."""

    kind: Literal["card", "cash_on_delivery"]
    """A card, or cash to the carrier."""
    token: Token | None = None
    """What the gateway gave the storefront in place of the card; for ``card``, and only for it."""

    @model_validator(mode="after")
    def _card_has_token(self) -> Self:
        if (self.kind == "card") != (self.token is not None):
            raise fault("token_and_kind", "a card needs a token, cash on delivery takes none")
        return self


def attempt_id(cart_id: str, attempt: int) -> str:
    """The ``checkout_id`` of a cart's attempt, counted from 1. Cart alone makes them: ``attempt_id("c1", 2) == "c1.2"``."""
    return f"{cart_id}.{attempt}"


def cart_of(checkout_id: str) -> str | None:
    """The cart a checkout id is of: for who has nothing but what a person typed, as events name both."""
    cart_id, _, attempt = checkout_id.rpartition(".")
    return cart_id if cart_id and attempt.isdecimal() else None


class Item(Value):
    """So many units of one SKU."""

    sku: Sku
    quantity: Quantity


@lru_cache(maxsize=4096)
def item_of(sku: str, quantity: int) -> Item:
    """The same again where it was made lately: a checkout names its items half a dozen times."""
    return Item(sku=sku, quantity=quantity)


Items = Annotated[tuple[Item, ...], Field(max_length=MAX_LINES, strict=False)]


class Shortage(Value):
    """A SKU of which fewer units are free than wanted."""

    sku: Sku
    wanted: int
    """Units asked for."""
    available: int
    """Units that are free."""


class Reason(Value):
    """Why something was refused: a code for programs, a sentence for people, and the field or SKU it concerns."""

    code: str
    """For programs."""
    message: str
    """A sentence for people."""
    subject: str | None = None
    """The field, SKU or coupon it concerns."""


class QuoteLine(Value):
    """A line of the quote: what the customer was shown."""

    sku: Sku
    name: Text
    """As it was shown."""
    quantity: Quantity
    unit_price: Amount
    """Minor units of the quote's currency, as shown."""
    tax_category: Id
    """Its name in the tax rules."""
    weight_grams: int
    """Grams, of one unit."""


class Quote(Value):
    """The cart as the customer confirmed it: all that is needed to calculate totals, with the prices they saw."""

    currency: Currency
    customer_id: CustomerId
    lines: Annotated[tuple[QuoteLine, ...], Field(max_length=MAX_LINES, strict=False)]
    """One for each product."""
    coupons: Annotated[tuple[CouponCode, ...], Field(max_length=MAX_COUPONS, strict=False)] = ()
    """In the order of application."""
    shipping_address: Address | None = None
    """Where to, once chosen."""
    shipping_method: Id | None = None
    """Its name in the shipping rules, once chosen."""
    payment_method: PaymentMethod | None = None
    """How it is paid, once chosen."""

    @property
    def items(self) -> tuple[Item, ...]:
        """What to reserve."""
        return tuple(item_of(line.sku, line.quantity) for line in self.lines)


class TotalsLine(Value):
    """One line of the bill, in minor units. ``total = subtotal - discount + tax`` (``tax`` unless included)."""

    sku: Sku
    quantity: int
    unit_price: int
    """Of one unit, as quoted."""
    subtotal: int
    """``quantity`` times ``unit_price``."""
    discount: int
    """What coupons take off."""
    tax: int
    """All tax of the line, or the part of it that is tax where prices include it."""
    total: int
    """What the line costs in the end."""


class CouponDiscount(Value):
    """What one coupon takes off."""

    code: CouponCode
    """The coupon."""
    discount: int
    """Minor units off the lines."""
    shipping_discount: int = 0
    """Minor units off the shipping."""


class Totals(Value):
    """The final bill, in minor units of ``currency``. Every sum is the sum of what is shown.

    Where ``tax_included``, the prices already hold the tax, ``tax`` and ``shipping_tax`` are the part of them that is
    tax, and ``total = subtotal - discount + shipping``; else ``total`` has ``tax`` on top.
    """

    currency: Currency
    lines: Annotated[tuple[TotalsLine, ...], Field(strict=False)]
    """One for each product."""
    coupons: Annotated[tuple[CouponDiscount, ...], Field(strict=False)] = ()
    """In the order of application, each once; one that found nothing left to take off shows zeros."""
    subtotal: int
    """The sum of the lines' subtotals."""
    discount: int
    """The sum of the lines' discounts."""
    shipping: int
    """What shipping costs after ``shipping_discount``."""
    shipping_discount: int = 0
    """What coupons take off the shipping."""
    shipping_tax: int = 0
    """The part of ``tax`` that is of the shipping."""
    tax: int
    """All tax, of lines and shipping."""
    tax_included: bool
    """Whether the prices already hold the tax."""
    total: int
    """What the customer pays."""
