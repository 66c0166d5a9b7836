"""Stock and the reservations on it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.contract.values import Item, Shortage, item_of


@dataclass(frozen=True)
class Policy:
    """How long stock is held, in seconds: while a checkout is open, once it is confirmed, after a declined payment."""

    reservation_seconds: int
    extension_seconds: int
    retry_hold_seconds: int


@dataclass(slots=True)
class Stock:
    """The units of one SKU: ``received + adjusted = on_hand + committed``, and ``0 <= reserved <= on_hand``."""

    sku: str
    on_hand: int = 0
    reserved: int = 0
    received: int = 0
    adjusted: int = 0
    committed: int = 0

    @property
    def free(self) -> int:
        """Units nobody has reserved."""
        return self.on_hand - self.reserved

    def receive(self, quantity: int) -> None:
        """Units arrived."""
        self.on_hand += quantity
        self.received += quantity

    def adjust(self, delta: int) -> None:
        """Correct the count."""
        self.on_hand += delta
        self.adjusted += delta

    def commit(self, quantity: int) -> None:
        """Reserved units are sold and leave the shelf."""
        self.reserved -= quantity
        self.on_hand -= quantity
        self.committed += quantity

    def take_back(self, quantity: int) -> None:
        """Sold units are on the shelf again."""
        self.on_hand += quantity
        self.committed -= quantity


class ReservationState(StrEnum):
    """``held`` (with a TTL) → ``extended`` → ``allocated`` (no TTL) → ``committed``, or one of the ends.

    ``expired`` is no end: a confirmation or an order takes the units anew. After ``released`` and ``failed`` nothing
    is taken any more, however late a message comes.
    """

    HELD = "held"
    EXTENDED = "extended"
    ALLOCATED = "allocated"
    COMMITTED = "committed"
    EXPIRED = "expired"
    RELEASED = "released"
    FAILED = "failed"


LIVE = (ReservationState.HELD, ReservationState.EXTENDED, ReservationState.ALLOCATED)
"""The states in which units are reserved."""
CLOSED = (ReservationState.RELEASED, ReservationState.FAILED)


@dataclass(frozen=True, slots=True)
class Loss:
    """Units that a reservation lost because the count was corrected. ``held``: its checkout was not confirmed yet."""

    shortages: tuple[Shortage, ...]
    held: bool


@dataclass(slots=True)
class Reservation:
    """The units one checkout holds.

    ``reserved_at``: when they were taken, of what it holds or held last. ``due_at``: when they are free again if nothing
    happens, or when a ``loss`` that nobody was told of yet is to be told.
    """

    checkout_id: str
    cart_id: str = ""
    state: ReservationState | None = None
    units: dict[str, int] = field(default_factory=dict)
    revision: int = 0
    reserved_at: datetime | None = None
    due_at: datetime | None = None
    loss: Loss | None = None

    @property
    def live(self) -> bool:
        """Whether its units are counted as reserved."""
        return self.state in LIVE

    @property
    def closed(self) -> bool:
        """Whether nothing may be taken for it any more."""
        return self.state in CLOSED

    @property
    def items(self) -> tuple[Item, ...]:
        """What it holds, or held last."""
        return tuple(item_of(sku, quantity) for sku, quantity in self.units.items())

    def shortages(self, items: Iterable[Item], stocks: Mapping[str, Stock]) -> tuple[Shortage, ...]:
        """The items of which there is too little, even with what it holds."""
        held = self.units if self.live else {}
        return tuple(
            Shortage(sku=sku, wanted=quantity, available=stocks[sku].free + held.get(sku, 0))
            for sku, quantity in ((item.sku, item.quantity) for item in items)
            if quantity > stocks[sku].free + held.get(sku, 0)
        )

    def take(self, items: Sequence[Item], stocks: Mapping[str, Stock], now: datetime) -> tuple[Shortage, ...]:
        """Hold exactly these items from now on; where one is short, hold nothing more and say which."""
        wanted = {item.sku: item.quantity for item in items}
        held = self.units if self.live else {}
        shortages = self.shortages(items, stocks)
        if not shortages:
            for sku in wanted.keys() | held.keys():
                stocks[sku].reserved += wanted.get(sku, 0) - held.get(sku, 0)
            self.units = wanted
            if not self.live:
                self.reserved_at = now
        return shortages

    def keep(self, items: Iterable[Item], short: Iterable[str]) -> tuple[Item, ...]:
        """These items, but of each SKU that is ``short`` the units it holds or held last."""
        kept = {item.sku: item.quantity for item in items} | {sku: self.units.get(sku, 0) for sku in short}
        return tuple(item_of(sku, quantity) for sku, quantity in kept.items() if quantity)

    def move(self, state: ReservationState, due_at: datetime | None = None) -> None:
        """Go on to a state in which the units stay as they are."""
        self.state, self.due_at = state, due_at

    def free(self, state: ReservationState, stocks: Mapping[str, Stock]) -> bool:
        """Give the units up and end in ``state``; returns whether there were any to give up."""
        was_live = self.live
        if was_live:
            for sku, quantity in self.units.items():
                stocks[sku].reserved -= quantity
        self.move(state)
        return was_live

    def lose(self, shortage: Shortage, stocks: Mapping[str, Stock], now: datetime) -> None:
        """Give the units up because some of them are not there; the reservation itself tells of it, as soon as it is due."""
        self.loss = Loss((shortage,), held=self.state is ReservationState.HELD)
        self.free(ReservationState.FAILED, stocks)
        self.due_at = now

    def commit(self, stocks: Mapping[str, Stock]) -> None:
        """The units are sold."""
        for sku, quantity in self.units.items():
            stocks[sku].commit(quantity)
        self.move(ReservationState.COMMITTED)

    @property
    def since(self) -> tuple[bool, datetime | None, str]:
        """Sorts reservations by when they took their units; those that do not know when come first."""
        return self.reserved_at is not None, self.reserved_at, self.checkout_id

    def take_back(self, stocks: Mapping[str, Stock]) -> None:
        """The sale is undone."""
        for sku, quantity in self.units.items():
            stocks[sku].take_back(quantity)
        self.move(ReservationState.RELEASED)


def without_units(stock: Stock, reservations: Iterable[Reservation]) -> list[tuple[Reservation, Shortage]]:
    """The reservations of a SKU that fewer units are left for than are reserved: first come, first served.

    ``reservations``: at least the latest that hold the missing units; what else is among them does no harm.
    """
    missing = stock.reserved - stock.on_hand
    latest: list[Reservation] = []
    for reservation in sorted(
        (r for r in reservations if r.live and stock.sku in r.units), key=lambda r: r.since, reverse=True
    ):
        if missing > 0:
            missing -= reservation.units[stock.sku]
            latest.append(reservation)
    left, lost = -missing, []
    for reservation in reversed(latest):
        if (wanted := reservation.units[stock.sku]) <= left:
            left -= wanted
        else:
            lost.append((reservation, Shortage(sku=stock.sku, wanted=wanted, available=left)))
    return lost
