"""Inventory against a shelf with labels on the units: any events, in any order, come to the same."""

from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.inventory.model import Reservation, Stock
from shared.contract.cart import CheckoutAbandoned, CheckoutChanged, CheckoutConfirmed, CheckoutStarted
from shared.contract.inventory import AdjustStock, ReceiveStock
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected
from shared.contract.payment import PaymentDeclined
from shared.contract.rejection import CommandRejected
from shared.contract.values import Item
from tests.support.facts import QUOTE, a, line
from tests.support.solo import Solo
from tests.unit.inventory.reservations import losses

SKUS = ("tea", "cup")
CHECKOUTS = ("a.1", "a.2", "b.1")
skus = st.sampled_from(SKUS)
checkouts = st.sampled_from(CHECKOUTS)
baskets = st.dictionaries(skus, st.integers(1, 4), min_size=1)


class Shelf:
    """``labels``: whose units these are, by checkout; ``phase``: what the label says; ``sold``: what left the shelf."""

    def __init__(self) -> None:
        self.units = dict.fromkeys(SKUS, 0)
        self.labels: dict[str, dict[str, int]] = {}
        self.sold: dict[str, dict[str, int]] = {}
        self.phase = dict.fromkeys(CHECKOUTS, "new")
        self.last: dict[str, dict[str, int]] = {}
        self.since: dict[str, int] = {}
        self.labellings = 0

    def free(self, sku: str) -> int:
        return self.units[sku] - sum(label.get(sku, 0) for label in self.labels.values())

    def label(self, checkout: str, basket: dict[str, int], phase: str) -> None:
        """Label exactly these units, or none and be done with it."""
        if checkout not in self.labels:
            self.labellings += 1
            self.since[checkout] = self.labellings
        mine = self.labels.pop(checkout, {})
        if all(self.free(sku) >= units for sku, units in basket.items()):
            self.labels[checkout], self.phase[checkout] = basket, phase
            self.last[checkout] = basket
        else:
            self.phase[checkout] = "over"
            self.last[checkout] = mine or self.last.get(checkout, {})

    def count(self, sku: str, delta: int) -> set[str]:
        """The true number of units; returns whose labels come off where there are too few: first come, first served."""
        self.units[sku] += delta
        left, lost = self.units[sku], set()
        for checkout in sorted(self.labels, key=self.since.__getitem__):
            if (wanted := self.labels[checkout].get(sku, 0)) > left:
                lost.add(checkout)
            else:
                left -= wanted
        for checkout in lost:
            self.tear_off(checkout, "over")
        return lost

    def change(self, checkout: str, basket: dict[str, int]) -> None:
        """Label these units; of what is short as many as before."""
        mine, last = self.labels.get(checkout, {}), self.last.get(checkout, {})
        short = {sku for sku, units in basket.items() if units > self.free(sku) + mine.get(sku, 0)}
        wanted = {sku: last.get(sku, 0) if sku in short else units for sku, units in basket.items()}
        self.label(checkout, {sku: units for sku, units in wanted.items() if units}, "held")

    def tear_off(self, checkout: str, phase: str) -> None:
        self.labels.pop(checkout, None)
        self.phase[checkout] = phase

    def end(self, checkout: str) -> None:
        """The units are free again; those that were sold come back."""
        for sku, units in self.sold.pop(checkout, {}).items():
            self.units[sku] += units
        self.tear_off(checkout, "over")


class Inventory(RuleBasedStateMachine):
    """Tells both the same, and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.service, self.shelf, self.revision = Solo("inventory"), Shelf(), 0

    def tell(self, kind: type[Any], checkout: str, **more: Any) -> None:
        self.service.now += timedelta(seconds=1)
        self.service.hear(a(kind, checkout_id=checkout, cart_id=checkout[0], **more))

    @rule(sku=skus, units=st.integers(1, 6))
    def receive(self, sku: str, units: int) -> None:
        self.service.hear(ReceiveStock(sku=sku, quantity=units))
        self.shelf.units[sku] += units

    @rule(sku=skus, delta=st.integers(-4, 4))
    def adjust(self, sku: str, delta: int) -> None:
        (answer,) = self.service.hear(AdjustStock(sku=sku, delta=delta, reason="count"))
        allowed = self.shelf.units[sku] + delta >= 0
        assert isinstance(answer, CommandRejected) is not allowed
        told = {getattr(event, "checkout_id", None) for event in losses(self.service)}
        assert told == (self.shelf.count(sku, delta) if allowed else set())

    @rule(checkout=checkouts, basket=baskets)
    def start(self, checkout: str, basket: dict[str, int]) -> None:
        before = "a.1" if checkout == "a.2" else None
        self.tell(CheckoutStarted, checkout, items=_items(basket), previous_checkout_id=before)
        if self.shelf.phase[checkout] == "new":
            if before and self.shelf.phase[before] not in ("sold", "over"):
                self.shelf.tear_off(before, "over")
            self.shelf.label(checkout, basket, "held")

    @rule(checkout=checkouts, basket=baskets)
    def change(self, checkout: str, basket: dict[str, int]) -> None:
        self.revision += 1
        self.tell(CheckoutChanged, checkout, items=_items(basket), revision=self.revision)
        if self.shelf.phase[checkout] in ("held", "expired"):
            self.shelf.change(checkout, basket)

    @rule(checkout=checkouts, basket=baskets)
    def confirm(self, checkout: str, basket: dict[str, int]) -> None:
        self.revision += 1
        quote = QUOTE.model_copy(update={"lines": tuple(line(sku, units, 1000) for sku, units in basket.items())})
        self.tell(CheckoutConfirmed, checkout, quote=quote, revision=self.revision)
        if self.shelf.phase[checkout] in ("new", "held", "expired"):
            self.shelf.label(checkout, basket, "extended")

    @rule(checkout=checkouts)
    def expire(self, checkout: str) -> None:
        if self.shelf.phase[checkout] in ("held", "extended"):
            self.service.pass_time(Reservation, checkout, hours=1)
            self.shelf.tear_off(checkout, "expired")

    @rule(checkout=checkouts)
    def abandon(self, checkout: str) -> None:
        self.tell(CheckoutAbandoned, checkout)
        if self.shelf.phase[checkout] in ("new", "held"):
            self.shelf.end(checkout)

    @rule(checkout=checkouts)
    def decline(self, checkout: str) -> None:
        self.tell(PaymentDeclined, checkout)
        if self.shelf.phase[checkout] == "extended":
            self.shelf.phase[checkout] = "held"

    @rule(checkout=checkouts, basket=baskets)
    def order(self, checkout: str, basket: dict[str, int]) -> None:
        self.tell(OrderCreated, checkout, items=_items(basket))
        if self.shelf.phase[checkout] not in ("over", "sold"):
            self.shelf.label(checkout, basket, "allocated")

    @rule(checkout=checkouts)
    def pay(self, checkout: str) -> None:
        self.tell(OrderConfirmed, checkout)
        if self.shelf.phase[checkout] in ("new", "over", "sold"):
            return
        self.shelf.label(checkout, self.shelf.last[checkout], "sold")
        if self.shelf.phase[checkout] == "sold":
            self.shelf.sold[checkout] = self.shelf.labels.pop(checkout)
            for sku, units in self.shelf.sold[checkout].items():
                self.shelf.units[sku] -= units

    @rule(checkout=checkouts, kind=st.sampled_from((OrderRejected, OrderCancelled)))
    def call_off(self, checkout: str, kind: type[Any]) -> None:
        self.tell(kind, checkout)
        self.shelf.end(checkout)

    @invariant()
    def both_say_the_same(self) -> None:
        for sku in SKUS:
            stock = self.service.own(Stock, sku)
            sold = sum(units.get(sku, 0) for units in self.shelf.sold.values())
            assert (stock.on_hand, stock.free, stock.committed) == (self.shelf.units[sku], self.shelf.free(sku), sold)
            assert 0 <= stock.reserved <= stock.on_hand
        for checkout in CHECKOUTS:
            reservation = self.service.own(Reservation, checkout)
            assert (reservation.units if reservation.live else {}) == self.shelf.labels.get(checkout, {})


def _items(basket: dict[str, int]) -> tuple[Item, ...]:
    return tuple(Item(sku=sku, quantity=units) for sku, units in basket.items())


TestInventory = Inventory.TestCase
TestInventory.settings = settings(max_examples=200, stateful_step_count=40)
