"""The ten steps of a checkout, by whose numbers code, documents and alerts speak of them."""

from collections.abc import Sequence
from typing import Final

from devstack.reference.choreography import Kind
from shared.contract.cart import CheckoutCompleted, CheckoutConfirmed, CheckoutRejected, ConfirmCheckout
from shared.contract.inventory import ReservationExtended, ReservationFailed
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected, TotalsCalculated
from shared.contract.payment import CaptureFailed, PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentDeferred

Step = tuple[str, str, Sequence[Kind], Sequence[Kind]]
"""What is done, by whom, upon what, and what comes of it."""

STEPS: Final[Sequence[Step]] = (
    ("The cart is in a checkout, and its session has not lapsed", "cart", [ConfirmCheckout], []),
    (
        "Address, shipping and payment are chosen, and every product is still sold at the price that was quoted",
        "cart",
        [ConfirmCheckout],
        [CheckoutConfirmed, CheckoutRejected],
    ),
    (
        "The reservation of the stock is extended; units whose time was up are taken anew",
        "inventory",
        [CheckoutConfirmed],
        [ReservationExtended, ReservationFailed],
    ),
    (
        "The final totals: subtotal, discounts, shipping, tax; both halves are needed, whichever comes first",
        "order",
        [CheckoutConfirmed, ReservationExtended],
        [TotalsCalculated, OrderRejected],
    ),
    (
        "The payment is authorized: the money is held, and not taken yet",
        "payment",
        [TotalsCalculated],
        [PaymentAuthorized, PaymentDeclined, PaymentDeferred],
    ),
    ("The order is made", "order", [PaymentAuthorized, PaymentDeferred], [OrderCreated]),
    (
        "The payment is captured, as the order is committed by now; then the order is confirmed",
        "payment, order",
        [OrderCreated],
        [PaymentCaptured, CaptureFailed, OrderConfirmed],
    ),
    (
        "What came to nothing is undone: money given back, units released, the cart reopened",
        "all",
        [CaptureFailed, OrderRejected, OrderCancelled],
        [],
    ),
    (
        "The cart is closed and its session deleted; where that fails, the order stands, and somebody is told",
        "cart",
        [OrderConfirmed],
        [CheckoutCompleted],
    ),
    ("Every event leaves by an outbox: what changed and what is said of it are one commit", "all", [], []),
)


def table() -> str:
    """The steps as a table in Markdown."""
    rows = [
        f"| {number} | {done} | {by} | {_names(upon)} | {_names(outcome)} |"
        for number, (done, by, upon, outcome) in enumerate(STEPS, 1)
    ]
    return "\n".join(["| step | what is done | by | upon | comes to |", "|---|---|---|---|---|", *rows])


def _names(kinds: Sequence[Kind]) -> str:
    return " ".join(f"`{kind.__name__}`" for kind in kinds)
