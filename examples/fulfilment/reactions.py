"""What fulfilment does when something happened."""

from datetime import datetime

from examples.fulfilment.messages import ParcelShipped
from examples.fulfilment.model import Parcel
from shared.contract.order import OrderConfirmed
from shared.runtime.reactions import Emits, Reactions

reactions = Reactions("fulfilment")


@reactions.on(OrderConfirmed)
def ship(parcel: Parcel, event: OrderConfirmed, now: datetime) -> Emits[ParcelShipped]:
    """Ship the order, unless it is shipped already."""
    if parcel.shipped_at is None:
        parcel.ship(event.order_number, now)
        yield ParcelShipped(cart_id=event.cart_id, checkout_id=event.checkout_id, order_number=event.order_number)
