"""Every message that concerns a reservation, in every state it can meet: right, early, twice, late."""

import pytest

from services.inventory.model import Reservation, ReservationState
from shared.contract.cart import CheckoutAbandoned, CheckoutChanged, CheckoutConfirmed, CheckoutStarted
from shared.contract.inventory import (
    ReservationExtended,
    ReservationFailed,
    ReservationLost,
    ReservationReleased,
    StockCommitted,
    StockReserved,
    StockReturned,
)
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected
from shared.contract.payment import PaymentDeclined
from tests.support.facts import CHECKOUT, ITEMS, a
from tests.support.moves import Move, Table, play, rows
from tests.unit.inventory.reservations import STATES, check, inventory, take_the_rest

OVERDUE = "expired after the confirmation"
TRIGGERS = {
    "CheckoutStarted": a(CheckoutStarted),
    "CheckoutChanged": a(CheckoutChanged, revision=1),
    "CheckoutConfirmed": a(CheckoutConfirmed, revision=1),
    "CheckoutAbandoned": a(CheckoutAbandoned, by="customer"),
    "PaymentDeclined": a(PaymentDeclined),
    "OrderRejected": a(OrderRejected),
    "OrderCreated": a(OrderCreated),
    "OrderConfirmed": a(OrderConfirmed),
    "OrderCancelled": a(OrderCancelled),
}
WITH_STOCK: Table = {
    "CheckoutStarted": {"None": ("held", StockReserved)},
    "CheckoutChanged": {"held": ("held", StockReserved), "expired": ("held", StockReserved)},
    "CheckoutConfirmed": {
        "None": ("extended", ReservationExtended),
        "held": ("extended", ReservationExtended),
        "expired": ("extended", ReservationExtended),
        OVERDUE: ("extended", ReservationExtended),
    },
    "CheckoutAbandoned": {"None": ("released",), "held": ("released", ReservationReleased)},
    "PaymentDeclined": {"extended": ("held", StockReserved)},
    "OrderRejected": {
        "None": ("released",),
        "held": ("released", ReservationReleased),
        "extended": ("released", ReservationReleased),
        "allocated": ("released", ReservationReleased),
        "committed": ("released", StockReturned),
        "expired": ("released",),
        OVERDUE: ("released",),
    },
    "OrderCreated": {
        "None": ("allocated",),
        "held": ("allocated",),
        "extended": ("allocated",),
        "expired": ("allocated",),
        OVERDUE: ("allocated",),
    },
    "OrderConfirmed": {
        "held": ("committed", StockCommitted),
        "extended": ("committed", StockCommitted),
        "allocated": ("committed", StockCommitted),
        "expired": ("committed", StockCommitted),
        OVERDUE: ("committed", StockCommitted),
    },
    "OrderCancelled": {
        "None": ("released",),
        "held": ("released", ReservationReleased),
        "extended": ("released", ReservationReleased),
        "allocated": ("released", ReservationReleased),
        "committed": ("released", StockReturned),
        "expired": ("released",),
        OVERDUE: ("released",),
    },
}
WITHOUT_STOCK: Table = {
    "CheckoutStarted": {"None": ("failed", ReservationFailed)},
    "CheckoutChanged": {"expired": ("failed", ReservationFailed)},
    "CheckoutConfirmed": {
        "None": ("failed", ReservationFailed),
        "expired": ("failed", ReservationFailed),
        OVERDUE: ("failed", ReservationFailed),
    },
    "OrderCreated": {
        "None": ("failed", ReservationLost),
        "expired": ("failed", ReservationLost),
        OVERDUE: ("failed", ReservationLost),
    },
    "OrderConfirmed": {"expired": ("failed", ReservationLost), OVERDUE: ("failed", ReservationLost)},
}
"""Where nothing is left on the shelf; what asks for no units, or has them already, goes as :data:`WITH_STOCK`."""


def without_stock() -> list[tuple[str, Move]]:
    return [row for row in rows(WITHOUT_STOCK, STATES) if row[1].start in ("None", "expired", OVERDUE)]


@pytest.mark.parametrize(("trigger", "move"), rows(WITH_STOCK, STATES), ids=str)
def test_with_units_on_the_shelf(trigger: str, move: Move) -> None:
    made = inventory(move.start)
    play(made, Reservation, CHECKOUT, TRIGGERS[trigger], move)
    check(made)


@pytest.mark.parametrize(("trigger", "move"), without_stock(), ids=str)
def test_with_the_units_gone(trigger: str, move: Move) -> None:
    made = inventory(move.start)
    take_the_rest(made)
    play(made, Reservation, CHECKOUT, TRIGGERS[trigger], move)
    check(made)


@pytest.mark.parametrize("state", ["held", "extended", "allocated"])
def test_units_already_held_are_enough(state: str) -> None:
    made = inventory(state)
    take_the_rest(made)
    made.hear_all(a(CheckoutConfirmed), a(OrderCreated), a(OrderConfirmed))
    assert made.own(Reservation, CHECKOUT).state == "committed"
    check(made)


@pytest.mark.parametrize("state", STATES)
def test_every_event_says_whose_it_is(state: str) -> None:
    for trigger in TRIGGERS.values():
        for event in inventory(state).hear(trigger):
            assert (event.key, event.subject) == ("cart1", CHECKOUT)
            if isinstance(event, StockReserved | ReservationExtended | StockCommitted | StockReturned):
                assert event.items == ITEMS


def test_the_names_by_which_states_are_stored() -> None:
    assert [*ReservationState] == ["held", "extended", "allocated", "committed", "expired", "released", "failed"]
