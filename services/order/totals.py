"""The final bill of a quote, under the rules and coupons that hold now (step 4). Pure arithmetic on minor units.

In this order:

1. Each line costs quantity times unit price; their sum is the subtotal.
2. Coupons, each once however often it is named: percentages first, each of the whole subtotal (10 % and 20 % are 30 %),
   then fixed amounts, then free shipping; of one kind in the order of their codes. None takes more than is left, so
   the goods never cost less than nothing. What all of them take is spread over the lines in proportion, exactly.
3. Shipping by the weight of all lines; free where the goods after discounts reach the rules' ``free_from``, or by coupon.
4. Tax of each line after its discount, and of shipping after its own, each rounded half-even once: taken out of the
   price where prices in this currency include it, put on top where they do not.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.order.coupon import Coupon
from services.order.rules import WHOLE, Rules, ShippingRate, Taxes
from shared.contract.values import CouponDiscount, Quote, QuoteLine, Reason, Totals, TotalsLine
from shared.money import MAX_AMOUNT, allocate, display, divide

ORDER: Final = ("percentage", "fixed_amount", "free_shipping")
"""Which kind of coupon takes its part first."""


@dataclass(slots=True)
class _Terms:
    """What holds for a quote that nothing speaks against. ``rates``: of each line, in parts per million."""

    subtotals: list[int]
    coupons: list[Coupon]
    shipping: ShippingRate
    rates: list[int]
    shipping_tax_rate: int
    tax_included: bool


def calculate(quote: Quote, coupons: Mapping[str, Coupon], rules: Rules, now: datetime) -> Totals | tuple[Reason, ...]:
    """The totals of a quote, or every reason why there are none. ``coupons``: by code, those that exist.

    Reasons: ``cart_empty``, ``amount_too_large``, ``shipping_address_missing``, ``shipping_method_missing``,
    ``tax_rate_missing`` (its subject is the SKU), and those of :class:`Rules` and :meth:`Coupon.fault`.
    """
    terms = _terms(quote, coupons, rules, now)
    if isinstance(terms, tuple):
        return terms
    totals = _bill(quote, terms)
    return totals if totals.total <= MAX_AMOUNT else (_too_large(quote),)


def _terms(quote: Quote, coupons: Mapping[str, Coupon], rules: Rules, now: datetime) -> _Terms | tuple[Reason, ...]:
    subtotals = [line.quantity * line.unit_price for line in quote.lines]
    used = [coupons.get(code) or Coupon(code) for code in sorted(set(quote.coupons))]
    included = rules.prices_include_tax(quote.currency)
    taxes, shipping = _taxes(quote, rules), _shipping(quote, rules)
    unrated = [line for line in quote.lines if isinstance(taxes, Taxes) and line.tax_category not in taxes.rates]
    faults = [
        *_goods_faults(quote, sum(subtotals)),
        *(given for given in (included, taxes, shipping) if isinstance(given, Reason)),
        *map(_rate_missing, unrated),
        *(fault for coupon in used if (fault := coupon.fault(quote.currency, sum(subtotals), now))),
    ]
    if faults:
        return tuple(faults)
    assert isinstance(taxes, Taxes)
    assert isinstance(shipping, ShippingRate)
    assert isinstance(included, bool)
    used.sort(key=lambda coupon: ORDER.index(str(coupon.kind)))
    rates = [taxes.rates[line.tax_category] for line in quote.lines]
    return _Terms(subtotals, used, shipping, rates, taxes.rates[taxes.shipping], included)


def _goods_faults(quote: Quote, subtotal: int) -> Iterator[Reason]:
    if not quote.lines:
        yield Reason(code="cart_empty", message="The cart is empty.", subject="lines")
    if subtotal > MAX_AMOUNT:
        yield _too_large(quote)


def _taxes(quote: Quote, rules: Rules) -> Taxes | Reason:
    if quote.shipping_address is None:
        return Reason(code="shipping_address_missing", message="A shipping address is missing.", subject="shipping_address")
    return rules.taxes(quote.shipping_address)


def _shipping(quote: Quote, rules: Rules) -> ShippingRate | Reason | None:
    """The rate; ``None`` where the address is missing, which is a reason already."""
    if quote.shipping_method is None:
        return Reason(code="shipping_method_missing", message="A shipping method is missing.", subject="shipping_method")
    if quote.shipping_address is None:
        return None
    grams = sum(line.quantity * line.weight_grams for line in quote.lines)
    return rules.shipping_rate(quote.shipping_method, quote.shipping_address.country, quote.currency, grams)


def _bill(quote: Quote, terms: _Terms) -> Totals:
    subtotal = sum(terms.subtotals)
    discounts = _discounts(terms.coupons, quote.currency, subtotal)
    discount = sum(discounts)
    lines = _lines(quote, terms, allocate(discount, terms.subtotals))
    charge = terms.shipping.charge(subtotal - discount)
    coupons = _coupons(terms.coupons, discounts, charge)
    shipping_discount = sum(coupon.shipping_discount for coupon in coupons)
    shipping = charge - shipping_discount
    shipping_tax = _tax(shipping, terms.shipping_tax_rate, terms.tax_included)
    tax = sum(line.tax for line in lines) + shipping_tax
    return Totals(
        currency=quote.currency,
        lines=lines,
        coupons=coupons,
        subtotal=subtotal,
        discount=discount,
        shipping=shipping,
        shipping_discount=shipping_discount,
        shipping_tax=shipping_tax,
        tax=tax,
        tax_included=terms.tax_included,
        total=subtotal - discount + shipping + (0 if terms.tax_included else tax),
    )


def _discounts(coupons: list[Coupon], currency: str, subtotal: int) -> list[int]:
    """What each coupon takes off the goods, in turn, of what is left."""
    left, discounts = subtotal, []
    for coupon in coupons:
        discounts.append(min(left, coupon.off(currency, subtotal)))
        left -= discounts[-1]
    return discounts


def _coupons(coupons: list[Coupon], discounts: list[int], charge: int) -> tuple[CouponDiscount, ...]:
    """What each coupon takes off goods and shipping; the first for free shipping takes all of its ``charge``."""
    shown = []
    for coupon, discount in zip(coupons, discounts, strict=True):
        waived = charge if coupon.kind == "free_shipping" else 0
        charge -= waived
        shown.append(CouponDiscount(code=coupon.code, discount=discount, shipping_discount=waived))
    return tuple(shown)


def _lines(quote: Quote, terms: _Terms, discounts: list[int]) -> tuple[TotalsLine, ...]:
    lines = []
    for line, subtotal, discount, rate in zip(quote.lines, terms.subtotals, discounts, terms.rates, strict=True):
        goods = subtotal - discount
        tax = _tax(goods, rate, terms.tax_included)
        lines.append(
            TotalsLine(
                sku=line.sku,
                quantity=line.quantity,
                unit_price=line.unit_price,
                subtotal=subtotal,
                discount=discount,
                tax=tax,
                total=goods if terms.tax_included else goods + tax,
            )
        )
    return tuple(lines)


def _tax(amount: int, rate: int, included: bool) -> int:
    """The tax within an amount, or on top of it. ``rate`` in parts per million."""
    return divide(amount * rate, WHOLE + rate if included else WHOLE)


def _rate_missing(line: QuoteLine) -> Reason:
    message = f"{line.name} cannot be sold to this address: there is no tax rate for {line.tax_category} there."
    return Reason(code="tax_rate_missing", message=message, subject=line.sku)


def _too_large(quote: Quote) -> Reason:
    message = f"An order cannot exceed {display(MAX_AMOUNT, quote.currency)}."
    return Reason(code="amount_too_large", message=message, subject="lines")
