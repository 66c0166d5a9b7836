"""Totals by properties: whatever is bought, wherever it goes, and whatever coupons are used."""

from fractions import Fraction
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.order.coupon import Coupon
from services.order.rules import Taxes
from services.order.totals import calculate
from shared.contract.values import Quote, QuoteLine, Totals
from tests.unit.order.quotes import FREE_SHIPPING, NOW, SHIPPED, bill, coupons, fixed, line, percentage, quote

MARKETS = [
    ("EUR", "DE"),
    ("EUR", "AT"),
    ("EUR", "FI"),
    ("GBP", "GB"),
    ("JPY", "JP"),
    ("KWD", "KW"),
    ("BHD", "BH"),
    ("USD", "US-NY"),
    ("USD", "US-CA"),
    ("CAD", "CA-QC"),
]
"""Currencies of exponent 0, 2 and 3; tax included and on top; shipping taxed and not."""

few = settings(max_examples=60)
prices = st.integers(0, 200_000) | st.integers(0, 10**9)
lines = st.builds(line, prices, st.integers(1, 20), st.sampled_from(["standard", "reduced", "zero"]), grams=st.integers(0, 90))
carts = st.lists(lines, min_size=1, max_size=6)
markets = st.sampled_from(MARKETS)
currencies = [currency for currency, _ in MARKETS]
terms = st.one_of(
    st.integers(1, 10_000).map(percentage),
    st.integers(0, 300_000).map(lambda amount: fixed(**dict.fromkeys(currencies, amount))),
    st.just(FREE_SHIPPING),
)
pockets = st.dictionaries(st.sampled_from("ABCDEF"), terms, max_size=4).map(lambda made: coupons(**made))


def of(market: tuple[str, str], cart: list[QuoteLine], pocket: dict[str, Coupon] | None = None) -> Quote:
    return quote(*market, *cart, use=" ".join(pocket or {}))


def rates(wanted: Quote) -> dict[str, int]:
    assert wanted.shipping_address is not None
    taxes = SHIPPED.taxes(wanted.shipping_address)
    assert isinstance(taxes, Taxes)
    return taxes.rates


@few
@given(markets, carts, pockets)
def test_every_sum_is_the_sum_of_what_is_shown(
    market: tuple[str, str], cart: list[QuoteLine], pocket: dict[str, Coupon]
) -> None:
    totals = bill(of(market, cart, pocket), pocket)
    on_top = not totals.tax_included
    for shown, wanted in zip(totals.lines, cart, strict=True):
        assert shown.subtotal == wanted.quantity * wanted.unit_price
        assert shown.total == shown.subtotal - shown.discount + on_top * shown.tax
    assert totals.subtotal == sum(shown.subtotal for shown in totals.lines)
    assert totals.discount == sum(shown.discount for shown in totals.lines) == sum(c.discount for c in totals.coupons)
    assert totals.shipping_discount == sum(used.shipping_discount for used in totals.coupons)
    assert totals.tax == sum(shown.tax for shown in totals.lines) + totals.shipping_tax
    assert totals.total == totals.subtotal - totals.discount + totals.shipping + on_top * totals.tax
    assert totals.total == sum(shown.total for shown in totals.lines) + totals.shipping + on_top * totals.shipping_tax


@few
@given(markets, carts, pockets)
def test_nothing_is_negative_and_no_discount_exceeds_its_goods(
    market: tuple[str, str], cart: list[QuoteLine], pocket: dict[str, Coupon]
) -> None:
    totals = bill(of(market, cart, pocket), pocket)
    amounts = [totals.shipping, totals.shipping_discount, totals.shipping_tax, totals.tax, totals.total]
    amounts += [amount for used in totals.coupons for amount in (used.discount, used.shipping_discount)]
    assert min(amounts) >= 0
    assert all(0 <= shown.discount <= shown.subtotal and shown.tax >= 0 for shown in totals.lines)


@few
@given(markets, carts, pockets)
def test_the_discount_is_spread_in_proportion(
    market: tuple[str, str], cart: list[QuoteLine], pocket: dict[str, Coupon]
) -> None:
    totals = bill(of(market, cart, pocket), pocket)
    for shown in totals.lines:
        assert abs(shown.discount * totals.subtotal - totals.discount * shown.subtotal) < max(totals.subtotal, 1)


@few
@given(markets, carts, pockets)
def test_tax_is_rounded_half_even_once_for_each_line(
    market: tuple[str, str], cart: list[QuoteLine], pocket: dict[str, Coupon]
) -> None:
    wanted = of(market, cart, pocket)
    totals = bill(wanted, pocket)
    for shown, bought in zip(totals.lines, cart, strict=True):
        rate = Fraction(rates(wanted)[bought.tax_category], 1_000_000)
        share = rate / (1 + rate) if totals.tax_included else rate
        assert shown.tax == round((shown.subtotal - shown.discount) * share)


@few
@given(markets, carts, pockets, st.randoms(use_true_random=False))
def test_the_order_of_coupons_does_not_matter(
    market: tuple[str, str], cart: list[QuoteLine], pocket: dict[str, Coupon], random: Random
) -> None:
    codes = list(pocket)
    random.shuffle(codes)
    assert bill(quote(*market, *cart, use=" ".join(codes)), pocket) == bill(of(market, cart, pocket), pocket)


@few
@given(markets, carts, pockets)
def test_the_order_of_lines_changes_no_discount_and_no_shipping(
    market: tuple[str, str], cart: list[QuoteLine], pocket: dict[str, Coupon]
) -> None:
    """Which of equal remainders gets the odd minor unit may change, and with it a tax on top."""
    one, other = bill(of(market, cart, pocket), pocket), bill(of(market, cart[::-1], pocket), pocket)
    assert one.coupons == other.coupons
    assert (one.subtotal, one.discount, one.shipping) == (other.subtotal, other.discount, other.shipping)
    assert abs(one.total - other.total) <= (0 if one.tax_included else len(cart))


@few
@given(markets, carts, st.integers(2, 50))
def test_dearer_goods_scale(market: tuple[str, str], cart: list[QuoteLine], scale: int) -> None:
    """Goods and what is taken off them grow alike; a tax strays by no more than what was rounded."""
    pocket = coupons(ALL=percentage(10_000))
    dear = [bought.model_copy(update={"unit_price": bought.unit_price * scale}) for bought in cart]
    for used in ("", "ALL"):
        one, other = (bill(quote(*market, *goods, use=used), pocket) for goods in (cart, dear))
        assert (other.subtotal, other.discount) == (scale * one.subtotal, scale * one.discount)
        for small, large in zip(one.lines, other.lines, strict=True):
            assert abs(large.tax - scale * small.tax) <= Fraction(scale + 1, 2)


@few
@given(carts, st.sampled_from(["DE", "FI", "FR", "IE"]))
def test_tax_on_top_and_tax_within_agree(cart: list[QuoteLine], place: str) -> None:
    """What was put on top of a net price is found within the gross price, to a minor unit of rounding."""
    on_top = bill(quote("USD", place, *cart))
    gross = [line(shown.total, 1, bought.tax_category) for shown, bought in zip(on_top.lines, cart, strict=True)]
    within = bill(quote("EUR", place, *gross))
    for net, whole in zip(on_top.lines, within.lines, strict=True):
        assert whole.total == net.total
        assert abs(whole.tax - net.tax) <= 1


@few
@given(markets, carts, pockets)
def test_the_same_quote_has_the_same_totals_and_changes_no_coupon(
    market: tuple[str, str], cart: list[QuoteLine], pocket: dict[str, Coupon]
) -> None:
    before = {code: repr(coupon) for code, coupon in pocket.items()}
    one, other = (calculate(of(market, cart, pocket), pocket, SHIPPED, NOW) for _ in range(2))
    assert isinstance(one, Totals)
    assert one == other == Totals.model_validate_json(one.model_dump_json())
    assert before == {code: repr(coupon) for code, coupon in pocket.items()}
