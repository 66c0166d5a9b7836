"""Totals by hand: bills as a customer would check them, and every reason why there is none."""

import pytest

from shared.contract.values import CouponDiscount, QuoteLine, Totals, TotalsLine
from shared.money import MAX_AMOUNT
from tests.unit.order.quotes import FREE_SHIPPING, bill, coupons, fixed, line, percentage, quote, refusal


def test_euro_with_tax_included_a_coupon_and_shipping() -> None:
    """10 % of 44.48 is 4.45 (4.448): 4.00 and 0.45 of it on the lines; the taxes lie within what is left."""
    of = quote("EUR", "DE", line(1999, 2), line(450, category="reduced", sku="B"), use="TEN")
    assert bill(of, coupons(TEN=percentage(1000))) == Totals(
        currency="EUR",
        lines=(
            TotalsLine(sku="A", quantity=2, unit_price=1999, subtotal=3998, discount=400, tax=574, total=3598),
            TotalsLine(sku="B", quantity=1, unit_price=450, subtotal=450, discount=45, tax=26, total=405),
        ),
        coupons=(CouponDiscount(code="TEN", discount=445),),
        subtotal=4448,
        discount=445,
        shipping=490,
        shipping_tax=78,
        tax=574 + 26 + 78,
        tax_included=True,
        total=4448 - 445 + 490,
    )


def test_yen_has_no_minor_unit_and_ships_free_from_5000() -> None:
    of = quote("JPY", "JP", line(1980, 3), line(540, category="reduced", sku="B"), use="OFF500")
    totals = bill(of, coupons(OFF500=fixed(JPY=500, EUR=5)))
    assert [(part.discount, part.tax, part.total) for part in totals.lines] == [(458, 498, 5482), (42, 37, 498)]
    assert (totals.subtotal, totals.discount, totals.shipping, totals.tax, totals.total) == (6480, 500, 0, 535, 5980)


def test_free_shipping_from_counts_what_is_left_after_the_coupon() -> None:
    given = coupons(OFF500=fixed(JPY=500))
    assert bill(quote("JPY", "JP", line(5499), use="OFF500"), given).shipping == 500
    assert bill(quote("JPY", "JP", line(5500), use="OFF500"), given).shipping == 0


def test_dinars_have_three_digits() -> None:
    kuwait = bill(quote("KWD", "KW", line(12_345, 2)))
    assert (kuwait.subtotal, kuwait.shipping, kuwait.tax, kuwait.total) == (24_690, 1500, 0, 26_190)
    bahrain = bill(quote("BHD", "BH", line(5500)))
    assert (bahrain.lines[0].tax, bahrain.shipping_tax, bahrain.tax, bahrain.total) == (500, 164, 664, 7300)


def test_dollars_bear_the_tax_of_the_state_on_top() -> None:
    """New York: 8.875 % of 30.00 is 2.66 (2.6625), of the shipping's 5.99 it is 0.53; California taxes no shipping."""
    goods = (line(1000, 3), line(1250, category="reduced", sku="BOOK"))
    new_york = bill(quote("USD", "US-NY", *goods))
    assert [(part.tax, part.total) for part in new_york.lines] == [(266, 3266), (0, 1250)]
    assert (new_york.shipping, new_york.shipping_tax, new_york.tax, new_york.total) == (599, 53, 319, 4250 + 599 + 319)
    california = bill(quote("USD", "US-CA", line(2000)))
    assert (california.shipping_tax, california.tax, california.total) == (0, 145, 2000 + 599 + 145)


@pytest.mark.parametrize(("price", "tax"), [(10, 0), (30, 2), (50, 2), (70, 4), (90, 4)])
def test_half_a_cent_of_tax_goes_to_the_even(price: int, tax: int) -> None:
    """5 % in Alberta; two lines of half a cent each are two roundings, not a cent of their sum."""
    totals = bill(quote("CAD", "CA-AB", line(price), line(price, sku="B")))
    assert [part.tax for part in totals.lines] == [tax, tax]


def test_dollars_in_germany_bear_german_tax_on_top() -> None:
    totals = bill(quote("USD", "DE", line(1000)))
    assert (totals.tax_included, totals.tax, totals.total) == (False, 190 + 104, 1000 + 550 + 294)


def test_the_band_is_that_of_all_the_goods_together() -> None:
    assert bill(quote("EUR", "DE", line(1, 2, grams=1000))).shipping == 490
    assert bill(quote("EUR", "DE", line(1, 2, grams=1000), line(1, sku="B", grams=1))).shipping == 790


def test_nothing_is_left_to_pay() -> None:
    totals = bill(quote("EUR", "DE", line(1999, 2), use="ALL SHIP"), coupons(ALL=percentage(10_000), SHIP=FREE_SHIPPING))
    assert (totals.total, totals.tax, totals.shipping, totals.shipping_tax) == (0, 0, 0, 0)
    assert (totals.subtotal, totals.discount, totals.shipping_discount) == (3998, 3998, 490)


def test_coupons_take_their_parts_in_a_fixed_order() -> None:
    """Percentages of the whole subtotal, then amounts of what is left, then the shipping, once."""
    given = coupons(
        A=fixed(EUR=5000), B=percentage(1000), C=percentage(2000), D=FREE_SHIPPING, E=FREE_SHIPPING, F=fixed(EUR=5000)
    )
    totals = bill(quote("EUR", "DE", line(9000), use="F E D C B A"), given)
    assert [(used.code, used.discount, used.shipping_discount) for used in totals.coupons] == [
        ("B", 900, 0),
        ("C", 1800, 0),
        ("A", 5000, 0),
        ("F", 1300, 0),
        ("D", 0, 490),
        ("E", 0, 0),
    ]
    assert totals.total == 0


def test_a_coupon_named_twice_counts_once() -> None:
    given = coupons(TEN=percentage(1000))
    assert bill(quote("EUR", "DE", line(999), use="TEN TEN"), given) == bill(quote("EUR", "DE", line(999), use="TEN"), given)
    assert [reason.subject for reason in refusal(quote("EUR", "DE", line(999), use="NO NO"))] == ["NO"]


def test_what_is_free_still_ships() -> None:
    totals = bill(quote("EUR", "DE", line(0, 3)))
    assert (totals.subtotal, totals.total) == (0, 490)
    assert bill(quote("EUR", "DE", line(0, 3), method="pickup")).total == 0


def test_every_reason_at_once() -> None:
    odd = line(100, category="luxury", sku="ODD")
    given = coupons(FIX=fixed(USD=1), MIN=percentage(1000, minimum_subtotal={"EUR": 5000}))
    reasons = refusal(quote("EUR", "DE", line(100), odd, method="drone", use="NONE MIN FIX MIN"), given)
    assert [(reason.code, reason.subject) for reason in reasons] == [
        ("shipping_method_unknown", "shipping_method"),
        ("tax_rate_missing", "ODD"),
        ("coupon_not_in_currency", "FIX"),
        ("coupon_below_minimum", "MIN"),
        ("coupon_unknown", "NONE"),
    ]
    assert reasons[1].message == "ODD cannot be sold to this address: there is no tax rate for luxury there."


@pytest.mark.parametrize(
    ("currency", "place", "method", "codes"),
    [
        ("EUR", None, None, ["shipping_address_missing", "shipping_method_missing"]),
        ("EUR", None, "standard", ["shipping_address_missing"]),
        ("EUR", "DE", None, ["shipping_method_missing"]),
        ("EUR", "XX", "express", ["country_not_sold_to", "shipping_method_not_to_country"]),
        ("USD", "US", "standard", ["region_missing"]),
        ("USD", "US-ZZ", "standard", ["region_unknown"]),
        ("SEK", "SE", "standard", ["currency_not_sold", "shipping_method_not_in_currency"]),
        ("EUR", "IT", "express", ["shipping_method_not_to_country"]),
    ],
)
def test_where_it_cannot_go(currency: str, place: str | None, method: str | None, codes: list[str]) -> None:
    assert [reason.code for reason in refusal(quote(currency, place, line(100), method=method))] == codes


def test_an_empty_cart_has_no_totals() -> None:
    assert [(reason.code, reason.subject) for reason in refusal(quote("EUR", "DE"))] == [("cart_empty", "lines")]


def test_what_is_missing_is_named() -> None:
    missing = ["shipping_address", "shipping_method"]
    assert [reason.subject for reason in refusal(quote("EUR", None, line(100), method=None))] == missing


def test_a_parcel_nobody_carries() -> None:
    assert [reason.code for reason in refusal(quote("EUR", "DE", line(1, grams=31_501)))] == ["shipping_method_too_heavy"]


@pytest.mark.parametrize(
    ("place", "currency", "lines"),
    [
        ("DE", "EUR", [line(MAX_AMOUNT), line(1, sku="B")]),
        ("DE", "EUR", [line(MAX_AMOUNT, 10_000, grams=0)]),
        ("US-CA", "USD", [line(MAX_AMOUNT)]),  # the tax on top is too much
    ],
)
def test_amounts_beyond_the_limit(place: str, currency: str, lines: list[QuoteLine]) -> None:
    (reason,) = refusal(quote(currency, place, *lines))
    assert (reason.code, reason.subject) == ("amount_too_large", "lines")
    assert reason.message == f"An order cannot exceed 10000000000000.00 {currency}."


def test_goods_beyond_the_limit_are_not_sold_whatever_a_coupon_takes_off() -> None:
    of = quote("EUR", "DE", line(MAX_AMOUNT), line(1, sku="B"), use="ALL")
    assert [reason.code for reason in refusal(of, coupons(ALL=percentage(10_000)))] == ["amount_too_large"]


def test_the_limit_itself_is_allowed() -> None:
    assert bill(quote("EUR", "DE", line(MAX_AMOUNT), method="pickup")).total == MAX_AMOUNT
