"""Money: rounding half-even, splitting without loss, and amounts as people read them."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.money import EXPONENTS, MAX_AMOUNT, allocate, display, divide

amounts = st.integers(0, MAX_AMOUNT)
weights = st.lists(st.integers(0, MAX_AMOUNT), min_size=1, max_size=12)
few = settings(max_examples=60)


@pytest.mark.parametrize(
    ("numerator", "denominator", "quotient"),
    [(5, 2, 2), (7, 2, 4), (-5, 2, -2), (-7, 2, -4), (1, 3, 0), (2, 3, 1), (0, 9, 0), (10**30, 10**15, 10**15)],
)
def test_divide_rounds_half_to_even(numerator: int, denominator: int, quotient: int) -> None:
    assert divide(numerator, denominator) == quotient


@few
@given(st.integers(-(10**24), 10**24), st.integers(1, 10**9))
def test_divide_is_exact_rounding(numerator: int, denominator: int) -> None:
    assert divide(numerator, denominator) == round(Fraction(numerator, denominator))


@few
@given(st.integers(-(10**6), 10**6))
def test_divide_takes_every_half_to_its_even_neighbour(half: int) -> None:
    assert divide(2 * half + 1, 2) % 2 == 0


@pytest.mark.parametrize("denominator", [0, -1])
def test_divide_refuses_a_denominator_that_is_not_positive(denominator: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        divide(1, denominator)


@pytest.mark.parametrize(
    ("amount", "shares", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (445, [3998, 450], [400, 45]),
        (5, [0, 0], [5, 0]),
        (0, [3, 4], [0, 0]),
        (7, [0, 1, 0], [0, 7, 0]),
        (9, [], []),
    ],
)
def test_allocate_by_hand(amount: int, shares: list[int], parts: list[int]) -> None:
    assert allocate(amount, shares) == parts


@few
@given(amounts, weights)
def test_allocate_loses_and_makes_nothing(amount: int, shares: list[int]) -> None:
    parts = allocate(amount, shares)
    assert len(parts) == len(shares)
    assert sum(parts) == amount
    assert min(parts) >= 0


@few
@given(amounts, weights.filter(any))
def test_allocate_is_proportional_to_less_than_a_minor_unit(amount: int, shares: list[int]) -> None:
    for part, share in zip(allocate(amount, shares), shares, strict=True):
        assert abs(part - Fraction(amount * share, sum(shares))) < 1


@few
@given(weights.filter(any), st.data())
def test_allocate_never_gives_more_than_there_was(shares: list[int], data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, sum(shares)))
    assert all(part <= share for part, share in zip(allocate(amount, shares), shares, strict=True))


@few
@given(amounts, weights.filter(any), st.integers(2, 1000))
def test_allocate_depends_on_proportions_alone(amount: int, shares: list[int], scale: int) -> None:
    assert allocate(amount, [share * scale for share in shares]) == allocate(amount, shares)


@few
@given(amounts, weights.filter(any))
def test_allocate_gives_the_same_parts_whatever_the_order(amount: int, shares: list[int]) -> None:
    assert sorted(allocate(amount, shares)) == sorted(allocate(amount, sorted(shares)))


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1234, "EUR", "12.34 EUR"),
        (1234, "JPY", "1234 JPY"),
        (1234, "KWD", "1.234 KWD"),
        (5, "EUR", "0.05 EUR"),
        (5, "KWD", "0.005 KWD"),
        (0, "JPY", "0 JPY"),
        (-5, "EUR", "-0.05 EUR"),
        (-1234, "KWD", "-1.234 KWD"),
    ],
)
def test_display_by_hand(amount: int, currency: str, text: str) -> None:
    assert display(amount, currency) == text


@few
@given(st.integers(-MAX_AMOUNT, MAX_AMOUNT), st.sampled_from(sorted(EXPONENTS)))
def test_display_can_be_read_back(amount: int, currency: str) -> None:
    number, code = display(amount, currency).split()
    assert code == currency
    assert Decimal(number).scaleb(EXPONENTS[currency]) == amount


def test_exponents_are_those_of_iso_4217() -> None:
    none, three = "CLP ISK JPY KRW PYG VND XAF XOF", "BHD IQD JOD KWD LYD OMR TND"
    other = {currency: digits for currency, digits in EXPONENTS.items() if digits != 2}
    assert other == {**dict.fromkeys(none.split(), 0), **dict.fromkeys(three.split(), 3)}
    assert {"EUR", "USD", "GBP", "CAD"} <= EXPONENTS.keys()
    assert all(len(currency) == 3 and currency.isupper() for currency in EXPONENTS)


def test_amounts_go_as_far_as_the_readme_says() -> None:
    assert MAX_AMOUNT == 1_000_000_000_000_000
