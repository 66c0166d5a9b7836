"""What order says and keeps: the bill, why there is none, the order, its confirmation, its end."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.order.coupon import Coupon
from services.order.model import Checkout
from shared.contract.cart import CheckoutAbandoned, CheckoutConfirmed, PreviewRequested
from shared.contract.inventory import ReservationExtended, ReservationFailed, ReservationLost
from shared.contract.message import Message
from shared.contract.order import (
    CancelOrder,
    CheckoutPreviewed,
    CouponDefined,
    DefineCoupon,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
    TotalsCalculated,
)
from shared.contract.payment import CaptureFailed, PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentDeferred
from shared.contract.rejection import CommandRejected
from shared.contract.values import Shortage
from tests.support.clock import NOW
from tests.support.facts import CARD, CHECKOUT, ITEMS, NEXT, QUOTE, a
from tests.support.solo import Solo, codes, only
from tests.unit.order.attempts import ABANDONED, CANCEL, CONFIRMED, COUPON, EXTENDED, STATES, check, checkout, coupon, order
from tests.unit.order.quotes import bill


def after_it(event: Any) -> Any:
    """The same of the cart's next attempt."""
    before = {"previous_checkout_id": CHECKOUT} if isinstance(event, CheckoutConfirmed) else {}
    return event.model_copy(update={"checkout_id": NEXT, **before})


# --- step 4


@pytest.mark.parametrize("halves", [(CONFIRMED, EXTENDED), (EXTENDED, CONFIRMED)])
def test_the_bill_is_made_of_both_halves_whichever_comes_first(halves: tuple[object, object]) -> None:
    made = order("unknown")
    totals = bill(CONFIRMED.quote, {COUPON: coupon(made)})
    assert made.hear(halves[0]) == []
    calculated = only(TotalsCalculated, made.hear(halves[1]))
    assert calculated == TotalsCalculated(
        cart_id="cart1", checkout_id=CHECKOUT, customer_id="ada", totals=totals, payment_method=CARD
    )
    assert (totals.discount, totals.total) == (250, 2740)


def test_the_total_the_customer_saw_is_charged() -> None:
    made = order("reserved")
    only(TotalsCalculated, made.hear(CONFIRMED.model_copy(update={"expected_total": 2740})))


@pytest.mark.parametrize("expected", [0, 2739, 2741])
def test_a_total_the_customer_did_not_see_is_not(expected: int) -> None:
    made = order("reserved")
    rejected = only(OrderRejected, made.hear(CONFIRMED.model_copy(update={"expected_total": expected})))
    assert codes(rejected) == ["total_differs"]
    assert rejected.reasons[0].message == "the total is 27.40 EUR, which is not the expected total"
    assert rejected.reasons[0].subject == "expected_total"
    assert coupon(made).redeemed == 0


def test_every_reason_against_the_bill_is_named() -> None:
    made = order("reserved")
    made.hear(DefineCoupon(code=COUPON, kind="percentage", percent_off=1000, valid_until=NOW))
    quote = QUOTE.model_copy(update={"coupons": (COUPON, "NONE"), "shipping_method": "pigeon"})
    rejected = only(OrderRejected, made.hear(a(CheckoutConfirmed, quote=quote)))
    assert sorted(codes(rejected)) == ["coupon_expired", "coupon_unknown", "shipping_method_unknown"]
    assert not made.own(Coupon, "NONE").redeemed


def test_the_last_use_of_a_coupon_goes_to_one_attempt() -> None:
    made = order("paying")
    other = {"cart_id": "other", "checkout_id": "other.1"}
    made.hear(EXTENDED.model_copy(update=other))
    rejected = only(OrderRejected, made.hear(CONFIRMED.model_copy(update=other)))
    assert codes(rejected) == ["coupon_used_up"]
    made.hear(CANCEL)
    again = {"cart_id": "third", "checkout_id": "third.1"}
    made.hear(EXTENDED.model_copy(update=again))
    only(TotalsCalculated, made.hear(CONFIRMED.model_copy(update=again)))
    assert coupon(made).redeemed == 1


@pytest.mark.parametrize("halves", [(CONFIRMED, EXTENDED), (EXTENDED, CONFIRMED)])
def test_the_next_attempt_of_a_cart_has_the_coupon_of_the_one_that_was_declined(halves: tuple[Any, Any]) -> None:
    """Its confirmation may be heard before the decline, and proves that there was one."""
    made = order("paying")
    only(TotalsCalculated, made.hear_all(*map(after_it, halves)))
    assert (checkout(made).state, coupon(made).redeemed) == ("closed", 1)
    assert made.hear(a(PaymentDeclined)) == []
    assert codes(only(OrderRejected, made.hear(a(PaymentAuthorized)))) == ["too_late"]
    check(made)


@pytest.mark.parametrize("state", sorted({*STATES} - {"paying"}))
def test_the_next_attempt_changes_nothing_else_of_the_one_before(state: str) -> None:
    made = order(state)
    before = replace(checkout(made))
    made.hear_all(*map(after_it, (CONFIRMED, EXTENDED)))
    assert checkout(made) == before
    check(made)


@pytest.mark.parametrize("previous", [None, "any-name-at-all"])
def test_which_attempt_was_before_is_said_by_the_event_and_not_by_the_names(previous: str | None) -> None:
    made = order("unknown")
    made.hear(CONFIRMED.model_copy(update={"checkout_id": "cart1.7", "previous_checkout_id": previous}))
    assert sorted(made.aggregates[Checkout]) == ["any-name-at-all"] * (previous is not None) + ["cart1.7"]


def test_an_event_of_before_it_was_said_which_attempt_was_before_is_read() -> None:
    told = CONFIRMED.model_dump(mode="json", exclude={"previous_checkout_id"})
    assert CheckoutConfirmed.model_validate_json(json.dumps(told)) == CONFIRMED


def test_a_coupon_that_expires_between_the_halves_does_not_hold() -> None:
    made = order("quoted")
    made.hear(DefineCoupon(code=COUPON, kind="percentage", percent_off=1000, valid_until=NOW + timedelta(minutes=1)))
    made.now += timedelta(minutes=1)
    assert codes(only(OrderRejected, made.hear(EXTENDED))) == ["coupon_expired"]


def test_the_last_quote_of_an_attempt_is_its_first() -> None:
    made = order("quoted")
    assert made.hear(a(CheckoutConfirmed)) == []
    assert checkout(made).quote == CONFIRMED.quote


# --- the order


def test_the_order_is_what_was_quoted_and_billed() -> None:
    made = order("paying")
    made.now += timedelta(seconds=5)
    created = only(OrderCreated, made.hear(a(PaymentAuthorized)))
    assert (created.items, created.totals, created.payment) == (ITEMS, checkout(made).totals, "authorized")
    assert (created.customer_id, checkout(made).created_at) == ("ada", made.now)


def test_orders_are_numbered_without_gaps_and_attempts_that_come_to_nothing_are_not() -> None:
    made = Solo("order")
    numbers = []
    ends: list[Any] = [PaymentDeclined, PaymentAuthorized, PaymentDeferred, PaymentDeclined, PaymentAuthorized]
    for n, end in enumerate(ends):
        about: dict[str, Any] = {"cart_id": f"c{n}", "checkout_id": f"c{n}.1"}
        answer: Message = a(end, **about)
        heard = (a(CheckoutConfirmed, **about), a(ReservationExtended, **about), answer, answer)
        numbers += [event.order_number for event in made.hear_all(*heard) if isinstance(event, OrderCreated)]
        made.hear_all(a(CheckoutAbandoned, cart_id=f"d{n}", checkout_id=f"d{n}.1"))
    assert numbers == ["Q-0000001", "Q-0000002", "Q-0000003"]
    assert [checkout(made, f"{name}.1").number for name in ("c0", "c1", "d1")] == [None, 1, None]


def test_the_confirmation_says_that_the_money_is_ours() -> None:
    made = order("created")
    assert only(OrderConfirmed, made.hear(a(PaymentCaptured))) == OrderConfirmed(
        cart_id="cart1", checkout_id=CHECKOUT, order_number="Q-0000001", payment="captured", currency="EUR", total=2740
    )


def test_a_deferred_payment_confirms_at_once_and_stays_due() -> None:
    made = order("paying")
    created, confirmed = made.hear(a(PaymentDeferred))
    assert isinstance(created, OrderCreated)
    assert isinstance(confirmed, OrderConfirmed)
    assert (created.payment, confirmed.payment, confirmed.total) == ("deferred", "due", 2740)
    assert checkout(made).created_at == NOW


def test_a_confirmation_that_comes_after_a_cancellation_hears_why() -> None:
    assert codes(only(OrderRejected, order("cancelled early").hear(CONFIRMED))) == ["cancelled"]
    assert codes(only(OrderRejected, order("abandoned early").hear(CONFIRMED))) == ["abandoned"]


# --- the end


def test_the_customer_reads_why_the_card_was_not_charged() -> None:
    cancelled = only(OrderCancelled, order("created").hear(a(CaptureFailed, code="expired", reason="the card expired")))
    assert [(r.code, r.message, r.subject) for r in cancelled.reasons] == [("expired", "the card expired", "payment_method")]
    assert cancelled.order_number == "Q-0000001"


def test_every_product_that_is_gone_is_named() -> None:
    shortages = (Shortage(sku="tea", wanted=2, available=0), Shortage(sku="cup", wanted=1, available=0))
    cancelled = only(OrderCancelled, order("confirmed").hear(a(ReservationLost, shortages=shortages)))
    assert [(r.code, r.subject) for r in cancelled.reasons] == [("out_of_stock", "tea"), ("out_of_stock", "cup")]


@pytest.mark.parametrize("state", ["paying", "created"])
def test_a_cancellation_says_by_whom_and_why(state: str) -> None:
    (ended,) = order(state).hear(CANCEL.model_copy(update={"requested_by": "staff7"}))
    assert isinstance(ended, OrderRejected | OrderCancelled)
    assert ended.reasons[0].message == "cancelled by staff7: changed my mind"


@pytest.mark.parametrize("state", ["quoted", "paying", "created"])
def test_who_gave_it_up_reads_that_it_is(state: str) -> None:
    (ended,) = order(state).hear(ABANDONED)
    assert codes(ended) == ["abandoned"]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("cart_id", ["other", "cart", "cart1.1"])
def test_nobody_cancels_the_checkout_of_another_cart(cart_id: str, state: str) -> None:
    command = a(CancelOrder, cart_id=cart_id)
    made = order(state)
    before = checkout(made).state
    refused = only(CommandRejected, made.hear(command, message_id="m9"))
    assert (refused.command_key, refused.command_id, codes(refused)) == (command.cart_id, "m9", ["other_cart"])
    assert refused.reasons[0].subject == "cart_id"
    assert checkout(made).state == before


def test_a_cart_named_after_an_attempt_of_another_has_attempts_of_its_own() -> None:
    made = order("paying")
    refused = only(CommandRejected, made.hear(a(CancelOrder, checkout_id="cart1.1.1")))
    assert codes(refused) == ["other_cart"]
    only(OrderRejected, made.hear(a(CancelOrder, cart_id="cart1.1", checkout_id="cart1.1.1")))
    assert checkout(made).state == "paying"


@pytest.mark.parametrize("state", ["created", "confirmed", "due"])
def test_a_checkout_that_cannot_be_is_not_cancelled_as_if_it_were(state: str) -> None:
    """While an order of the cart stands no other attempt begins."""
    made = order(state)
    refused = only(CommandRejected, made.hear(a(CancelOrder, checkout_id="cart1.7")))
    assert (codes(refused), refused.reasons[0].subject) == (["no_such_checkout"], "checkout_id")
    assert refused.reasons[0].message == "there is no checkout cart1.7: Q-0000001 is the order of cart1.1"
    assert not checkout(made, "cart1.7").known
    only(OrderCancelled, made.hear(CANCEL))


@pytest.mark.parametrize("state", sorted({*STATES} - {"created", "confirmed", "due"}))
def test_a_checkout_that_may_be_on_its_way_is_over_when_it_comes(state: str) -> None:
    made = order(state)
    assert codes(only(OrderRejected, made.hear(a(CancelOrder, checkout_id=NEXT)))) == ["cancelled"]
    assert codes(only(OrderRejected, made.hear_all(*map(after_it, (EXTENDED, CONFIRMED))))) == ["cancelled"]
    assert checkout(made, NEXT).state == "closed"


def test_the_order_of_another_cart_stands_in_nobody_s_way() -> None:
    made = order("confirmed")
    only(OrderRejected, made.hear(a(CancelOrder, cart_id="other", checkout_id="other.1")))


def test_a_refused_cancellation_says_how_the_order_stands() -> None:
    assert codes(only(CommandRejected, order("declined").hear(CANCEL))) == ["no_order"]
    refused = only(CommandRejected, order("cancelled").hear(CANCEL))
    assert codes(refused) == ["cancelled"]
    assert refused.reasons[0].message == "order Q-0000001 is already cancelled"


def test_an_older_attempt_changes_nothing_of_the_next() -> None:
    made = order("unknown")
    made.hear_all(*(event.model_copy(update={"checkout_id": NEXT}) for event in (CONFIRMED, EXTENDED)))
    made.hear_all(a(ReservationFailed), CANCEL, a(PaymentAuthorized), a(PaymentCaptured))
    assert checkout(made, NEXT).state == "paying"
    assert coupon(made).redeemed == 1


# --- coupons and previews


def test_a_coupon_is_defined_and_defined_anew() -> None:
    made = order("paying")
    defined = only(CouponDefined, made.hear(DefineCoupon(code=COUPON, kind="free_shipping", limit=1)))
    assert (defined.code, defined.key) == (COUPON, COUPON)
    assert (coupon(made).kind, coupon(made).redeemed) == ("free_shipping", 1)


def test_a_preview_shows_the_totals_and_keeps_nothing() -> None:
    made = Solo("order")
    made.hear(DefineCoupon(code=COUPON, kind="percentage", percent_off=1000))
    request = a(PreviewRequested, quote=CONFIRMED.quote, command_id="p1")
    previewed = only(CheckoutPreviewed, made.hear(request))
    totals = bill(CONFIRMED.quote, {COUPON: coupon(made)})
    assert (previewed.command_id, previewed.checkout_id, previewed.totals) == ("p1", CHECKOUT, totals)
    assert (made.aggregates[Checkout], coupon(made).redeemed) == ({}, 0)


def test_a_preview_shows_what_holds_now() -> None:
    made = order("unknown")
    made.hear(DefineCoupon(code=COUPON, kind="percentage", percent_off=1000, valid_until=NOW + timedelta(minutes=1)))
    request = a(PreviewRequested, quote=CONFIRMED.quote)
    assert codes(only(CheckoutPreviewed, made.hear(request))) == []
    made.now += timedelta(minutes=1)
    assert codes(only(CheckoutPreviewed, made.hear(request))) == ["coupon_expired"]


def test_a_preview_names_every_reason_why_there_are_no_totals() -> None:
    quote = QUOTE.model_copy(update={"coupons": ("NONE",), "shipping_address": None, "payment_method": None})
    previewed = only(CheckoutPreviewed, order("unknown").hear(a(PreviewRequested, quote=quote, checkout_id=None)))
    assert previewed.totals is None
    assert sorted(codes(previewed)) == ["coupon_unknown", "shipping_address_missing"]
    assert previewed.subject == "cart1"


def test_a_redriven_definition_does_not_bring_back_older_terms() -> None:
    made = order("unknown")
    older = DefineCoupon(code=COUPON, kind="percentage", percent_off=5000)
    made.hear(DefineCoupon(code=COUPON, kind="percentage", percent_off=1000), "m2", offset=8)
    assert codes(only(CommandRejected, made.hear(older, "m3", offset=7, redriven=True))) == ["superseded"]
    assert coupon(made).percent_off == 1000
    only(CouponDefined, made.hear(older, "m4", offset=9, redriven=True))
    assert coupon(made).percent_off == 5000


def test_the_first_command_of_a_topic_may_be_redriven() -> None:
    made = Solo("order")
    only(CouponDefined, made.hear(DefineCoupon(code=COUPON, kind="free_shipping"), "m2", offset=0, redriven=True))
