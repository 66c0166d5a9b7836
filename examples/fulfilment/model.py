"""The parcel of an order."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(slots=True)
class Parcel:
    """What a customer receives for one checkout. An order is shipped once."""

    checkout_id: str
    order_number: str = ""
    shipped_at: datetime | None = None

    def ship(self, order_number: str, now: datetime) -> None:
        """Hand the parcel over to the carrier."""
        self.order_number, self.shipped_at = order_number, now
