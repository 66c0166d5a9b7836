"""Commands to the stock and inventory's facts. Key: the SKU for stock, the cart id for reservations."""

from typing import Annotated, ClassVar

from pydantic import Field

from shared.contract.message import Command, Event, Id, Moment, Sku, Text, Units
from shared.contract.values import Items, Shortage

Shortages = Annotated[tuple[Shortage, ...], Field(strict=False)]


class StockCommand(Command, abstract=True):
    """A wish about the stock of one SKU."""

    topic: ClassVar[str] = "inventory.commands"
    key_field: ClassVar[str] = "sku"
    sku: Sku


class ReceiveStock(StockCommand):
    """Units arrived."""

    quantity: Units
    """Units more on the shelf."""


class AdjustStock(StockCommand):
    """A count found more or fewer units than recorded; no fewer than none.

    Where fewer are left than are reserved, the latest reservations that do not fit are lost.
    """

    delta: Annotated[int, Field(ge=-(10**9), le=10**9)]
    """Units more, or fewer where negative."""
    reason: Text


class StockEvent(Event, abstract=True):
    """A fact about the stock of one SKU, with the levels after it."""

    topic: ClassVar[str] = "inventory.events"
    key_field: ClassVar[str] = "sku"
    sku: Sku
    on_hand: int
    """Units on the shelf now."""
    reserved: int
    """Units of these that are held for checkouts."""


class StockReceived(StockEvent):
    """Units were put on the shelf."""

    quantity: int
    """Units that came."""


class StockAdjusted(StockEvent):
    """The recorded stock was corrected."""

    delta: int
    """Units more, or fewer where negative."""
    reason: Text


class ReservationEvent(Event, abstract=True):
    """A fact about the reservation of one checkout."""

    topic: ClassVar[str] = "inventory.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    checkout_id: Id


class StockReserved(ReservationEvent):
    """These units are held until ``expires_at``."""

    revision: int
    """Of the cart's content that is held, as in ``CheckoutChanged``."""
    items: Items
    """All that is held."""
    expires_at: Moment
    """When the units are free again, if nothing happens."""


class ReservationChangeRejected(ReservationEvent):
    """Too few units are free for a change of the cart: of what is short, the checkout holds what it held before."""

    revision: int
    """Of the change, as in ``CheckoutChanged``."""
    items: Items
    """All that is held."""
    shortages: Shortages


class ReservationFailed(ReservationEvent):
    """Not every unit could be had; nothing is held for this checkout, and the attempt is over."""

    shortages: Shortages


class ReservationExtended(ReservationEvent):
    """Step 3: the units stay held until ``expires_at`` while the payment is made."""

    items: Items
    """All that is held."""
    expires_at: Moment
    """When the units are free again, if no order comes."""


class ReservationExpired(ReservationEvent):
    """The time was up: the units are free again."""


class ReservationReleased(ReservationEvent):
    """The units are free again because the checkout came to nothing."""


class ReservationLost(ReservationEvent):
    """The units of a confirmed checkout are gone: they had expired, or a count found fewer. No order can be kept."""

    shortages: Shortages


class StockCommitted(ReservationEvent):
    """The units are sold and leave the shelf."""

    items: Items
    """All that was sold."""


class StockReturned(ReservationEvent):
    """A confirmed order was cancelled: its units are back on the shelf."""

    items: Items
    """All that came back."""
