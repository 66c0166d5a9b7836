"""Messages that the contract does not have, to see what the documents make of them."""

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from shared.contract import order
from shared.contract.message import Currency, Event, Id, Moment, Value


class OrderCreated(order.OrderCreated):
    """The order exists, and may be a present."""

    version: ClassVar[int] = 2
    present: bool
    """Whether the bill stays out of the parcel."""


class Label(Value):
    """What is glued to a parcel."""

    barcode: str
    """For the scanner."""


class ParcelSent(Event):
    """The carrier has it. Every kind of field nobody has found words for."""

    topic: ClassVar[str] = "order.events"
    key_field: ClassVar[str] = "parcel_id"
    parcel_id: Id
    """The parcel."""
    carrier: Literal["snail", "pigeon"]
    """Who brings it."""
    labels: tuple[Label, ...]
    """All of them."""
    arrives_at: Moment | None
    """When, if anybody knows."""
    insured: bool
    """Whether loss is paid for."""
    weight: int
    """Grams."""
    customs: dict[Currency, int]
    """Minor units of duty, by currency."""


class Silent(Event):
    """Does not say what its fields mean."""

    topic: ClassVar[str] = "order.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    mystery: int
    riddle: str


class Wordless(Event):
    topic: ClassVar[str] = "order.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id


class Talkative(Event):
    """Says it all here. ``weight``: grams, with the box; ``height``, ``width``: millimetres. And more of no field."""

    topic: ClassVar[str] = "order.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    weight: int
    height: int
    width: int


class Barred(Event):
    """Nobody can make up what its field says."""

    topic: ClassVar[str] = "order.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    barcode: Annotated[str, StringConstraints(pattern="^[0-9]{13}$")]
