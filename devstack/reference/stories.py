"""The stories the documents tell. Who sends each message and who reacts is not said here: the registries know."""

from typing import Final

from devstack.reference.diagrams import Story
from shared.contract.cart import CartReopened, CheckoutCompleted, CheckoutConfirmed, ConfirmCheckout
from shared.contract.inventory import ReservationExtended, ReservationReleased, StockCommitted, StockReserved
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, TotalsCalculated
from shared.contract.payment import (
    CaptureFailed,
    OperationNearlyGivenUp,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentVoided,
    VoidFailed,
)

_PAYING: Final = (ConfirmCheckout, CheckoutConfirmed, ReservationExtended, TotalsCalculated)
_ORDERED: Final = (*_PAYING, PaymentAuthorized, OrderCreated)
_UNDONE: Final = (CaptureFailed, OrderCancelled, ReservationReleased, CartReopened)

HAPPY: Final = Story(
    "A checkout that comes to an order",
    "From the confirmation to the cleaned-up cart. What has no arrow is heard by nobody and stands for the record.",
    (*_ORDERED, PaymentCaptured, OrderConfirmed, StockCommitted, CheckoutCompleted),
)
DECLINED: Final = Story(
    "A card that is declined",
    "No order exists yet, so none is cancelled: the stock is held a little longer for another card.",
    (*_PAYING, PaymentDeclined, StockReserved, CartReopened),
)
COMPENSATED: Final = Story(
    "A capture that fails, and what undoes the order",
    "Compensation is nothing but more reactions to facts.",
    (*_ORDERED, *_UNDONE, PaymentVoided),
)
STUCK: Final = Story(
    "A compensation that fails",
    "The hold stays on the customer's card: people hear of it while there are attempts left, and when there are none; the"
    " last event and its dead letter are one commit.",
    (*_ORDERED, *_UNDONE, OperationNearlyGivenUp, VoidFailed),
)
STORIES: Final = (HAPPY, DECLINED, COMPENSATED, STUCK)
