"""Fulfilment's facts. Key: the cart id."""

from typing import ClassVar

from shared.contract.message import Event, Id


class ParcelShipped(Event):
    """The order is on its way to the customer."""

    topic: ClassVar[str] = "fulfilment.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    checkout_id: Id
    order_number: str
