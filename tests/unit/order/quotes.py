"""Quotes and coupons for the tests of totals."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.order.coupon import Coupon
from services.order.rules import Rules, load_rules
from services.order.totals import calculate
from shared.contract.order import DefineCoupon
from shared.contract.values import Address, Quote, QuoteLine, Reason, Totals

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SHIPPED = load_rules()


def line(unit_price: int, quantity: int = 1, category: str = "standard", sku: str = "A", grams: int = 100) -> QuoteLine:
    return QuoteLine(sku=sku, name=sku, quantity=quantity, unit_price=unit_price, tax_category=category, weight_grams=grams)


def address(place: str) -> Address:
    """An address in a place such as ``DE`` or ``US-NY``."""
    country, _, region = place.partition("-")
    return Address(name="A", street="B 1", city="C", postal_code="1", country=country, region=region or None)


def quote(currency: str, place: str | None, *lines: QuoteLine, method: str | None = "standard", use: str = "") -> Quote:
    """A quote; ``use``: the codes of its coupons, separated by spaces."""
    return Quote(
        currency=currency,
        customer_id="c",
        lines=lines,
        coupons=tuple(use.split()),
        shipping_address=address(place) if place else None,
        shipping_method=method,
    )


def coupons(**terms: Mapping[str, Any]) -> dict[str, Coupon]:
    """Coupons by code, of these terms."""
    made = {code: Coupon(code) for code in terms}
    for code, coupon in made.items():
        coupon.define(DefineCoupon.model_validate({"code": code, **terms[code]}))
    return made


def percentage(percent_off: int, **terms: Any) -> dict[str, Any]:
    return {"kind": "percentage", "percent_off": percent_off, **terms}


def fixed(**amount_off: int) -> dict[str, Any]:
    return {"kind": "fixed_amount", "amount_off": amount_off}


FREE_SHIPPING: dict[str, Any] = {"kind": "free_shipping"}


def bill(of: Quote, given: Mapping[str, Coupon] | None = None, rules: Rules = SHIPPED) -> Totals:
    """The totals of a quote that has some."""
    totals = calculate(of, given or {}, rules, NOW)
    assert isinstance(totals, Totals), totals
    return totals


def refusal(of: Quote, given: Mapping[str, Coupon] | None = None, rules: Rules = SHIPPED) -> tuple[Reason, ...]:
    """The reasons of a quote that has no totals."""
    reasons = calculate(of, given or {}, rules, NOW)
    assert isinstance(reasons, tuple), reasons
    assert reasons
    return reasons
