"""The stock itself: what arrives, and corrections of the count."""

from datetime import timedelta

import pytest

from services.inventory.model import Reservation, Stock
from shared.contract.cart import CheckoutChanged, CheckoutStarted
from shared.contract.inventory import (
    AdjustStock,
    ReceiveStock,
    ReservationFailed,
    ReservationLost,
    StockAdjusted,
    StockReceived,
    StockReserved,
)
from shared.contract.message import Message
from shared.contract.rejection import CommandRejected
from shared.contract.values import Item, Shortage
from tests.support.facts import a
from tests.support.solo import Solo, codes, only
from tests.unit.inventory.reservations import check, free, inventory, losses


def stock(made: Solo) -> Stock:
    return made.own(Stock, "tea")


def test_units_that_arrive_are_on_the_shelf() -> None:
    made = Solo("inventory")
    assert made.hear_all(a(ReceiveStock, quantity=3), a(ReceiveStock, quantity=4)) == [
        StockReceived(sku="tea", on_hand=3, reserved=0, quantity=3),
        StockReceived(sku="tea", on_hand=7, reserved=0, quantity=4),
    ]
    assert stock(made) == Stock("tea", on_hand=7, received=7)


@pytest.mark.parametrize(("delta", "on_hand"), [(4, 9), (0, 5), (-3, 2)])
def test_the_count_is_corrected_down_to_what_is_reserved(delta: int, on_hand: int) -> None:
    made = inventory("held")  # 2 of 5
    adjusted = only(StockAdjusted, made.hear(a(AdjustStock, delta=delta, reason="counted")))
    assert adjusted == StockAdjusted(sku="tea", on_hand=on_hand, reserved=2, delta=delta, reason="counted")
    check(made)


def test_corrections_and_sales_add_up() -> None:
    made = Solo("inventory")
    made.hear_all(a(ReceiveStock, quantity=9), a(AdjustStock, delta=-3), a(AdjustStock, delta=1))
    assert stock(made) == Stock("tea", on_hand=7, received=9, adjusted=-2)
    sold = Stock("tea", on_hand=7, reserved=3)
    sold.commit(1)
    sold.commit(2)
    assert sold == Stock("tea", on_hand=4, committed=3)


@pytest.mark.parametrize(
    ("state", "told"), [("held", ReservationFailed), ("extended", ReservationLost), ("allocated", ReservationLost)]
)
def test_the_count_is_true_at_once_and_a_reservation_that_does_not_fit_is_lost(state: str, told: type[Message]) -> None:
    made = inventory(state)  # 2 of 5 tea, 1 of 5 cups
    adjusted = only(StockAdjusted, made.hear(a(AdjustStock, delta=-4, reason="damaged")))
    assert adjusted == StockAdjusted(sku="tea", on_hand=1, reserved=0, delta=-4, reason="damaged")
    shortages = (Shortage(sku="tea", wanted=2, available=1),)
    assert losses(made) == [told(cart_id="cart1", checkout_id="cart1.1", shortages=shortages)]
    assert losses(made) == []
    assert made.own(Reservation, "cart1.1").state == "failed"
    assert (free(made, "tea"), free(made, "cup")) == (1, 5)
    check(made)


def hold(made: Solo, name: str, units: int) -> None:
    """A cart holds so many tea, a minute after the one before."""
    made.now += timedelta(minutes=1)
    items = (Item(sku="tea", quantity=units),)
    only(StockReserved, made.hear(a(CheckoutStarted, cart_id=name, checkout_id=f"{name}.1", items=items)))


def lost_by(made: Solo, delta: int) -> dict[str, int]:
    """Whose reservations are lost when so many units are not there, and how many would have been left for each."""
    adjusted = only(StockAdjusted, made.hear(a(AdjustStock, delta=delta)))
    assert (adjusted.on_hand, adjusted.reserved) == (stock(made).on_hand, stock(made).reserved)
    check(made)
    lost = losses(made)
    assert all(isinstance(event, ReservationFailed) for event in lost)
    return {event.cart_id: event.shortages[0].available for event in lost if isinstance(event, ReservationFailed)}


@pytest.mark.parametrize(
    ("units", "delta", "lost"),
    [
        ((1,) * 10, -3, {"c7": 0, "c8": 0, "c9": 0}),
        ((1,) * 10, -10, {f"c{n}": 0 for n in range(10)}),
        ((5, 5), -3, {"c1": 2}),
        ((5, 5), -6, {"c0": 4, "c1": 4}),
        ((5, 3, 2), -3, {"c1": 2}),  # the last fits into what is left
        ((4, 3, 2), -1, {}),  # one was free
    ],
)
def test_the_latest_that_do_not_fit_are_lost(units: tuple[int, ...], delta: int, lost: dict[str, int]) -> None:
    made = inventory("None", on_hand=10)
    for n, quantity in enumerate(units):
        hold(made, f"c{n}", quantity)
    assert lost_by(made, delta) == lost


def test_units_taken_anew_count_from_then_on() -> None:
    made = inventory("None", on_hand=2)
    hold(made, "a", 1)
    made.pass_time(Reservation, "a.1", hours=1)
    hold(made, "b", 1)
    made.now += timedelta(minutes=1)
    made.hear(a(CheckoutChanged, cart_id="a", checkout_id="a.1", revision=1, items=(Item(sku="tea", quantity=1),)))
    assert lost_by(made, -1) == {"a": 0}


def test_units_that_are_sold_are_not_counted() -> None:
    made = inventory("committed")
    assert lost_by(made, -3) == {}
    assert stock(made) == Stock("tea", on_hand=0, received=5, adjusted=-3, committed=2)


def test_fewer_than_none_cannot_be_counted() -> None:
    made = inventory("held")
    refused = only(CommandRejected, made.hear(a(AdjustStock, delta=-6), message_id="m7"))
    assert (refused.command_key, refused.command_id, codes(refused)) == ("tea", "m7", ["too_few_on_hand"])
    assert refused.reasons[0].subject == "delta"
    assert refused.reasons[0].message == "only 5 units on hand"
    assert (stock(made).on_hand, stock(made).reserved) == (5, 2)
