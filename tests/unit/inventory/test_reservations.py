"""Holding units: all or none, for how long, and what a later attempt or a very late message finds."""

from datetime import timedelta

import pytest

from services.inventory.model import Reservation, ReservationState, Stock
from shared.contract.cart import CheckoutAbandoned, CheckoutChanged, CheckoutConfirmed, CheckoutStarted
from shared.contract.inventory import (
    ReservationChangeRejected,
    ReservationExpired,
    ReservationExtended,
    ReservationFailed,
    ReservationLost,
    ReservationReleased,
    StockReserved,
    StockReturned,
)
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected
from shared.contract.payment import PaymentDeclined
from shared.contract.values import Item, Shortage
from tests.support.clock import NOW
from tests.support.facts import CHECKOUT, ITEMS, NEXT, QUOTE, a, line
from tests.support.solo import Solo, only
from tests.unit.inventory.reservations import STATES, check, free, inventory, take_the_rest

THREE_TEA = (Item(sku="tea", quantity=3),)


def reservation(made: Solo, checkout_id: str = CHECKOUT) -> Reservation:
    return made.own(Reservation, checkout_id)


def test_units_are_held_for_a_while() -> None:
    made = inventory("None")
    reserved = only(StockReserved, made.hear(a(CheckoutStarted)))
    assert (reserved.items, reserved.revision, reserved.expires_at) == (ITEMS, 0, NOW + timedelta(seconds=900))
    assert list(made.aggregates[Reservation]) == [CHECKOUT]
    assert (free(made, "tea"), free(made, "cup")) == (3, 4)


def test_one_short_product_leaves_all_others_on_the_shelf() -> None:
    made = inventory("None")
    wanted = (Item(sku="tea", quantity=2), Item(sku="cup", quantity=6), Item(sku="pot", quantity=1))
    failed = only(ReservationFailed, made.hear(a(CheckoutStarted, items=wanted)))
    assert failed.shortages == (Shortage(sku="cup", wanted=6, available=5), Shortage(sku="pot", wanted=1, available=0))
    assert (free(made, "tea"), free(made, "cup")) == (5, 5)
    assert reservation(made).due_at is None


@pytest.mark.parametrize(
    ("items", "tea", "cups"),
    [(THREE_TEA, 2, 5), ((), 5, 5), ((Item(sku="tea", quantity=5), Item(sku="cup", quantity=5)), 0, 0)],
)
def test_a_changed_cart_holds_what_is_in_it_now(items: tuple[Item, ...], tea: int, cups: int) -> None:
    made = inventory("held")
    made.now += timedelta(minutes=5)
    reserved = only(StockReserved, made.hear(a(CheckoutChanged, revision=3, items=items)))
    assert (reserved.items, reserved.revision) == (items, 3)
    assert reserved.expires_at == reservation(made).due_at == made.now + timedelta(seconds=900)
    assert (free(made, "tea"), free(made, "cup")) == (tea, cups)


def test_of_a_change_that_cannot_be_held_the_checkout_keeps_what_it_held() -> None:
    made = inventory("held")  # 2 tea, 1 cup
    made.now += timedelta(minutes=5)
    wanted = (Item(sku="tea", quantity=6), Item(sku="cup", quantity=3), Item(sku="pot", quantity=1))
    reserved, rejected = made.hear(a(CheckoutChanged, revision=1, items=wanted))
    assert isinstance(reserved, StockReserved)
    assert isinstance(rejected, ReservationChangeRejected)
    assert rejected.shortages == (Shortage(sku="tea", wanted=6, available=5), Shortage(sku="pot", wanted=1, available=0))
    kept = (Item(sku="tea", quantity=2), Item(sku="cup", quantity=3))
    assert rejected.items == reserved.items == kept
    assert rejected.revision == reserved.revision == reservation(made).revision == 1
    assert reserved.expires_at == reservation(made).due_at == made.now + timedelta(seconds=900)
    assert (free(made, "tea"), free(made, "cup")) == (3, 2)
    check(made)


def test_units_that_lapsed_are_kept_where_they_can_be_had_anew() -> None:
    made = inventory("expired")
    take_the_rest(made, leave=3)
    _, rejected = made.hear(a(CheckoutChanged, revision=1, items=(Item(sku="tea", quantity=4),)))
    assert isinstance(rejected, ReservationChangeRejected)
    assert (rejected.items, free(made)) == ((Item(sku="tea", quantity=2),), 1)
    check(made)


@pytest.mark.parametrize("revision", [0, 1, 2])
def test_an_older_change_does_not_undo_a_newer(revision: int) -> None:
    made = inventory("held")
    made.hear(a(CheckoutChanged, revision=2, items=THREE_TEA))
    assert made.hear(a(CheckoutChanged, revision=revision, items=())) == []
    assert free(made) == 2


@pytest.mark.parametrize("state", ["extended", "expired after the confirmation"])
def test_a_change_from_before_the_confirmation_is_stale_after_it(state: str) -> None:
    made = inventory(state)
    took = reservation(made).units
    assert made.hear(a(CheckoutChanged, revision=1, items=(Item(sku="tea", quantity=9),))) == []
    assert reservation(made).units == took


def test_the_confirmation_holds_what_was_confirmed_and_longer() -> None:
    made = inventory("held")
    made.now += timedelta(minutes=14)
    quote = QUOTE.model_copy(update={"lines": (line("tea", 3, 1000),)})
    extended = only(ReservationExtended, made.hear(a(CheckoutConfirmed, quote=quote)))
    assert (extended.items, extended.expires_at) == (THREE_TEA, made.now + timedelta(seconds=1800))
    assert (free(made, "tea"), free(made, "cup")) == (2, 5)


def test_a_confirmation_of_more_than_there_is_ends_the_attempt_and_gives_all_back() -> None:
    made = inventory("held")
    quote = QUOTE.model_copy(update={"lines": (line("tea", 6, 1000),)})
    failed = only(ReservationFailed, made.hear(a(CheckoutConfirmed, quote=quote)))
    assert failed.shortages == (Shortage(sku="tea", wanted=6, available=5),)
    assert (free(made, "tea"), free(made, "cup")) == (5, 5)


def test_an_order_of_more_than_there_is_is_lost_and_what_was_held_for_it_is_free() -> None:
    made = inventory("held")
    lost = only(ReservationLost, made.hear(a(OrderCreated, items=(Item(sku="tea", quantity=6),))))
    assert lost.shortages == (Shortage(sku="tea", wanted=6, available=5),)
    assert (free(made, "tea"), free(made, "cup")) == (5, 5)


def test_a_declined_card_keeps_the_units_for_another_a_little() -> None:
    made = inventory("extended")
    made.now += timedelta(minutes=1)
    reserved = only(StockReserved, made.hear(a(PaymentDeclined)))
    assert reserved.expires_at == made.now + timedelta(seconds=300)
    assert (reserved.items, reserved.revision) == (ITEMS, 1)
    only(ReservationExpired, made.pass_time(Reservation, CHECKOUT, seconds=300))
    assert free(made) == 5


@pytest.mark.parametrize("state", ["held", "extended"])
def test_units_whose_time_is_up_are_for_others(state: str) -> None:
    made = inventory(state)
    expired = only(ReservationExpired, made.pass_time(Reservation, CHECKOUT, minutes=30))
    assert (expired.checkout_id, free(made), reservation(made).due_at) == (CHECKOUT, 5, None)
    check(made)


@pytest.mark.parametrize("state", ["allocated", "committed", "expired", "released", "failed"])
def test_no_deadline_is_left_where_nothing_can_lapse(state: str) -> None:
    assert reservation(inventory(state)).due_at is None


# --- the next attempt of the same cart


@pytest.mark.parametrize("state", ["held", "extended", "allocated"])
def test_what_an_earlier_attempt_still_holds_serves_the_next(state: str) -> None:
    made = inventory(state)
    take_the_rest(made)
    first, second = made.hear(a(CheckoutStarted, checkout_id=NEXT, previous_checkout_id=CHECKOUT))
    assert isinstance(first, ReservationReleased)
    assert isinstance(second, StockReserved)
    assert (first.checkout_id, second.checkout_id) == (CHECKOUT, NEXT)
    assert reservation(made).state == "released"
    check(made)


@pytest.mark.parametrize("state", ["None", "expired", "released", "failed"])
def test_an_earlier_attempt_that_holds_nothing_is_closed_all_the_same(state: str) -> None:
    made = inventory(state)
    only(StockReserved, made.hear(a(CheckoutStarted, checkout_id=NEXT, previous_checkout_id=CHECKOUT)))
    assert reservation(made).closed
    made.hear_all(a(CheckoutStarted), a(CheckoutChanged, revision=9), a(CheckoutConfirmed), a(OrderCreated))
    assert not reservation(made).live
    check(made)


def test_units_that_are_sold_wait_for_the_end_of_their_order() -> None:
    made = inventory("committed")
    only(StockReserved, made.hear(a(CheckoutStarted, checkout_id=NEXT, previous_checkout_id=CHECKOUT)))
    only(StockReturned, made.hear(a(OrderCancelled)))
    assert made.own(Stock, "tea").committed == 0
    check(made)


@pytest.mark.parametrize("state", STATES)
def test_what_comes_late_from_an_older_attempt_leaves_the_next_alone(state: str) -> None:
    made = inventory(state)
    made.hear(a(CheckoutStarted, checkout_id=NEXT, previous_checkout_id=CHECKOUT))
    late = (
        a(CheckoutConfirmed), a(PaymentDeclined), a(OrderRejected), a(OrderCreated), a(OrderConfirmed), a(OrderCancelled),
        a(CheckoutAbandoned, by="customer"),
    )  # fmt: skip
    made.hear_all(*late)
    assert reservation(made, NEXT).state is ReservationState.HELD
    assert not reservation(made).live
    check(made)


# --- messages redriven long after the end


@pytest.mark.parametrize("end", [OrderCancelled, OrderRejected])
def test_nothing_that_comes_after_the_end_takes_units(end: type[OrderCancelled | OrderRejected]) -> None:
    for state in STATES:
        made = inventory(state)
        made.hear(a(end))
        late = (a(CheckoutStarted), a(CheckoutChanged, revision=9), a(CheckoutConfirmed), a(OrderCreated), a(OrderConfirmed))
        assert made.hear_all(*late) == []
        assert free(made) == 5
        check(made)


def test_a_confirmed_order_whose_creation_comes_late_has_its_units() -> None:
    made = inventory("expired after the confirmation")
    made.hear_all(a(OrderConfirmed), a(OrderCreated))
    assert made.own(Stock, "tea") == Stock("tea", on_hand=3, received=5, committed=2)


def test_a_session_abandoned_before_inventory_heard_of_it_reserves_nothing() -> None:
    made = inventory("None")
    made.hear_all(a(CheckoutAbandoned, by="timeout"), a(CheckoutStarted))
    assert (free(made), reservation(made).cart_id) == (5, "cart1")


def test_units_that_expired_in_a_checkout_given_up_too_late_are_still_had_for_its_order() -> None:
    made = inventory("expired after the confirmation")
    made.hear_all(a(CheckoutAbandoned, by="customer"), a(OrderCreated), a(OrderConfirmed))
    assert reservation(made).state is ReservationState.COMMITTED
