"""The sequences the documents show. Senders and reactions come from the registries."""

from typing import Final

from devstack.reference.diagrams import Story
from shared.contract.cart import CartReopened, CheckoutCompleted, CheckoutConfirmed, ConfirmCheckout
from shared.contract.inventory import ReservationExtended, ReservationReleased, StockCommitted, StockReserved
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, TotalsCalculated
from shared.contract.payment import (
    CaptureFailed,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentVoided,
    RetriesNearlyExhausted,
    VoidFailed,
)

_PAYING: Final = (ConfirmCheckout, CheckoutConfirmed, ReservationExtended, TotalsCalculated)
_ORDERED: Final = (*_PAYING, PaymentAuthorized, OrderCreated)
_UNDONE: Final = (CaptureFailed, OrderCancelled, ReservationReleased, CartReopened)

HAPPY: Final = Story(
    "A checkout that comes to an order",
    "From the confirmation to the closed cart. No service reacts to an event without an arrow.",
    (*_ORDERED, PaymentCaptured, OrderConfirmed, StockCommitted, CheckoutCompleted),
)
DECLINED: Final = Story(
    "A declined card",
    "There is no order yet, so none is cancelled. The stock stays reserved for some minutes, for another card.",
    (*_PAYING, PaymentDeclined, StockReserved, CartReopened),
)
COMPENSATED: Final = Story(
    "A failed capture, and its compensation",
    "Compensation is more reactions to events.",
    (*_ORDERED, *_UNDONE, PaymentVoided),
)
STUCK: Final = Story(
    "A failed compensation",
    "The money stays authorized on the customer's card. A person is alerted while attempts are left, and again when there are"
    " none. The last event and its dead letter are one commit.",
    (*_ORDERED, *_UNDONE, RetriesNearlyExhausted, VoidFailed),
)
STORIES: Final = (HAPPY, DECLINED, COMPENSATED, STUCK)
