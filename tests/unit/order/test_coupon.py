"""Coupons: when they hold, to the microsecond and to the last redemption, and what they take off."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter

from services.order.coupon import Coupon
from shared.contract.order import DefineCoupon

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def coupon(kind: str = "percentage", **terms: Any) -> Coupon:
    """A coupon of 10 %, or of the terms given."""
    if kind == "percentage":
        terms.setdefault("percent_off", 1000)
    made = Coupon("SPRING")
    made.define(DefineCoupon.model_validate({"code": "SPRING", "kind": kind, **terms}))
    return made


def fault(made: Coupon, currency: str = "EUR", subtotal: int = 5000, now: datetime = NOW) -> str | None:
    reason = made.fault(currency, subtotal, now)
    assert reason is None or reason.subject == "SPRING"
    return None if reason is None else reason.code


def test_a_code_nobody_defined_is_unknown() -> None:
    reason = Coupon("NOBODY").fault("EUR", 5000, NOW)
    assert reason is not None
    assert (reason.code, reason.subject) == ("coupon_unknown", "NOBODY")
    assert reason.message == "The coupon NOBODY does not exist."


def test_terms_without_limits_hold_always() -> None:
    assert fault(coupon()) is None
    assert fault(coupon(), subtotal=0, now=datetime(9999, 12, 31, tzinfo=UTC)) is None


def test_with_both_dates_it_says_which_of_them_stands_against_it() -> None:
    made = coupon(valid_from=NOW, valid_until=NOW + TICK)
    assert [fault(made, now=now) for now in (NOW - TICK, NOW, NOW + TICK)] == ["coupon_not_yet_valid", None, "coupon_expired"]


def test_dates_are_compared_across_time_zones() -> None:
    made = coupon(valid_until=datetime.fromisoformat("2026-05-01T14:00:00+02:00"))
    assert fault(made, now=NOW - TICK) is None
    assert fault(made, now=NOW) == "coupon_expired"


def test_it_is_used_up_at_its_limit_and_not_before() -> None:
    made = coupon(limit=2)
    made.redeem()
    assert fault(made) is None
    made.redeem()
    assert fault(made) == "coupon_used_up"
    made.give_back()
    assert fault(made) is None
    assert made.redeemed == 1


def test_giving_back_what_was_not_redeemed_is_a_bug() -> None:
    with pytest.raises(ValueError, match="SPRING is given back more often"):
        coupon().give_back()


@pytest.mark.parametrize(("subtotal", "code"), [(4999, "coupon_below_minimum"), (5000, None), (5001, None)])
def test_the_minimum_is_enough(subtotal: int, code: str | None) -> None:
    assert fault(coupon(minimum_subtotal={"EUR": 5000}), subtotal=subtotal) == code


@pytest.mark.parametrize(
    ("made", "now", "sentence"),
    [
        (coupon(valid_from=NOW), NOW - TICK, "is valid only from 2026-05-01 12:00 UTC."),
        (coupon(valid_until=NOW), NOW, "was valid until 2026-05-01 12:00 UTC."),
        (Coupon("SPRING", kind="free_shipping", redemption_limit=0), NOW, "has been used up."),
        (coupon("fixed_amount", amount_off={"USD": 500}), NOW, "cannot be used with prices in JPY."),
        (coupon(minimum_subtotal={"JPY": 5000}), NOW, "requires a subtotal of at least 5000 JPY."),
    ],
)
def test_the_customer_reads_what_stands_against_it(made: Coupon, now: datetime, sentence: str) -> None:
    reason = made.fault("JPY", 0, now)
    assert reason is not None
    assert reason.message == f"The coupon SPRING {sentence}"


def test_amounts_hold_only_in_the_currencies_they_name() -> None:
    fixed = coupon("fixed_amount", amount_off={"EUR": 500})
    assert fault(fixed, "EUR") is None
    assert fault(fixed, "USD") == "coupon_not_in_currency"
    bounded = coupon(minimum_subtotal={"EUR": 1000})
    assert fault(bounded, "USD", 10**9) == "coupon_not_in_currency"


def test_the_first_fault_is_told() -> None:
    made = coupon(limit=1, valid_until=NOW, minimum_subtotal={"EUR": 10**6})
    made.redeem()
    assert fault(made, now=NOW) == "coupon_expired"
    assert fault(made, now=NOW - TICK) == "coupon_used_up"


def test_new_terms_replace_the_old_and_keep_the_count() -> None:
    made = coupon("fixed_amount", amount_off={"EUR": 500}, minimum_subtotal={"EUR": 1}, limit=9, valid_until=NOW)
    made.redeem()
    made.define(DefineCoupon(code="SPRING", kind="percentage", percent_off=2500))
    assert made == Coupon("SPRING", kind="percentage", percent_off=2500, redeemed=1)
    made.define(DefineCoupon(code="SPRING", kind="free_shipping", limit=1))
    assert fault(made) == "coupon_used_up"


@pytest.mark.parametrize(
    ("terms", "currency", "subtotal", "off"),
    [
        ({"kind": "percentage", "percent_off": 1250}, "EUR", 1000, 125),
        ({"kind": "percentage", "percent_off": 5000}, "EUR", 1, 0),  # half a cent, to even
        ({"kind": "percentage", "percent_off": 5000}, "EUR", 3, 2),  # one and a half, to even
        ({"kind": "percentage", "percent_off": 10_000}, "JPY", 777, 777),
        ({"kind": "fixed_amount", "amount_off": {"EUR": 500, "JPY": 700}}, "JPY", 100, 700),
        ({"kind": "free_shipping"}, "EUR", 1000, 0),
    ],
)
def test_what_it_takes_off(terms: dict[str, Any], currency: str, subtotal: int, off: int) -> None:
    assert coupon(**terms).off(currency, subtotal) == off


@pytest.mark.parametrize(
    "made",
    [
        Coupon("BLANK"),
        coupon(valid_from=NOW, valid_until=NOW + TICK, limit=3, minimum_subtotal={"EUR": 5}),
        coupon("fixed_amount", amount_off={"EUR": 500, "KWD": 1}),
    ],
)
def test_it_survives_its_table_row(made: Coupon) -> None:
    rows = TypeAdapter(Coupon)
    assert rows.validate_json(rows.dump_json(made)) == made
    assert rows.validate_python(rows.dump_python(made, mode="json")) == made
