"""Inventory where the reservation of one checkout has come to any of its states, by the messages that lead there."""

from collections import Counter
from typing import Any, Final

from services.inventory.model import Reservation, Stock
from shared.contract.cart import CheckoutAbandoned, CheckoutConfirmed, CheckoutStarted
from shared.contract.inventory import ReceiveStock
from shared.contract.message import Message
from shared.contract.order import OrderConfirmed, OrderCreated
from shared.contract.values import Item
from tests.support.facts import CHECKOUT, a
from tests.support.solo import Solo

STARTED, CONFIRMED = a(CheckoutStarted), a(CheckoutConfirmed, revision=1)
STATES: Final[dict[str, tuple[Any, ...]]] = {
    "None": (),
    "held": (STARTED,),
    "extended": (STARTED, CONFIRMED),
    "allocated": (STARTED, CONFIRMED, a(OrderCreated)),
    "committed": (STARTED, CONFIRMED, a(OrderCreated), a(OrderConfirmed)),
    "expired": (STARTED, "wait"),
    "expired after the confirmation": (STARTED, CONFIRMED, "wait"),
    "released": (STARTED, a(CheckoutAbandoned, by="customer")),
    "failed": (a(CheckoutStarted, items=(Item(sku="tea", quantity=9),)),),
}
"""``None``: nothing was heard of it."""
ON_HAND: Final = 5


def inventory(state: str, on_hand: int = ON_HAND) -> Solo:
    """With so many units of tea and of cups on the shelf before anything was reserved."""
    made = Solo("inventory")
    made.hear_all(*(ReceiveStock(sku=sku, quantity=on_hand) for sku in ("tea", "cup")))
    for step in STATES[state]:
        if step == "wait":
            made.pass_time(Reservation, CHECKOUT, hours=1)
        else:
            made.hear(step)
    check(made)
    return made


def free(made: Solo, sku: str = "tea") -> int:
    """The units nobody has reserved."""
    return made.own(Stock, sku).free


def losses(made: Solo) -> list[Message]:
    """What reservations tell of that have lost their units."""
    lost = [checkout_id for checkout_id, reservation in made.aggregates[Reservation].items() if reservation.loss]
    return [message for checkout_id in lost for message in made.pass_time(Reservation, checkout_id)]


def take_the_rest(made: Solo, leave: int = 0) -> None:
    """Another cart reserves what is left of the tea, but for so many units."""
    if quantity := free(made) - leave:
        made.hear(a(CheckoutStarted, cart_id="other", checkout_id="other.1", items=(Item(sku="tea", quantity=quantity),)))


def check(made: Solo) -> None:
    """The stock's invariants: nothing lost, never oversold, and reserved is what the live reservations hold."""
    reserved: Counter[str] = Counter()
    for reservation in made.aggregates[Reservation].values():
        if reservation.live:
            reserved.update(reservation.units)
    for stock in made.aggregates[Stock].values():
        assert stock.received + stock.adjusted == stock.on_hand + stock.committed
        assert 0 <= stock.reserved <= stock.on_hand
        assert stock.reserved == reserved[stock.sku]
