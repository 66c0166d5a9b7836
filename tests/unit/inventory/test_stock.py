"""The stock itself: what arrives, and corrections of the count."""

import pytest

from services.inventory.model import Stock
from shared.contract.inventory import AdjustStock, ReceiveStock, StockAdjusted, StockReceived
from shared.contract.message import Message
from shared.contract.rejection import CommandRejected
from tests.support.facts import a
from tests.support.solo import Solo, codes, only
from tests.unit.inventory.reservations import check, free, inventory


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


@pytest.mark.parametrize("state", ["held", "extended", "allocated"])
def test_what_is_promised_cannot_be_counted_away(state: str) -> None:
    made = inventory(state)
    refused = only(CommandRejected, made.hear(a(AdjustStock, delta=-4), message_id="m7"))
    assert (refused.command_key, refused.command_id, codes(refused)) == ("tea", "m7", ["units_reserved"])
    assert refused.reasons[0].subject == "delta"
    assert refused.reasons[0].message == "2 of 5 units are reserved; at most 3 can be taken off"
    assert stock(made).on_hand == 5


def test_a_product_never_received_has_nothing_to_take_off() -> None:
    made = Solo("inventory")
    emitted: list[Message] = made.hear(a(AdjustStock, delta=-1))
    assert codes(only(CommandRejected, emitted)) == ["units_reserved"]
    assert stock(made) == Stock("tea")


def test_units_sold_leave_the_shelf_and_the_reservation() -> None:
    made = inventory("committed")
    assert stock(made) == Stock("tea", on_hand=3, reserved=0, received=5, committed=2)
    assert free(made, "cup") == 4
