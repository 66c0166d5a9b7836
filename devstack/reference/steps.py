"""The ten steps of a checkout, by whose numbers code, documents and alerts speak of them."""

from collections.abc import Sequence
from typing import Final

from devstack.reference.choreography import Kind
from shared.contract.cart import CheckoutCompleted, CheckoutConfirmed, CheckoutRejected, ConfirmCheckout
from shared.contract.inventory import ReservationExtended, ReservationFailed
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected, TotalsCalculated
from shared.contract.payment import CaptureFailed, PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentDeferred

Step = tuple[str, str, Sequence[Kind], Sequence[Kind]]
"""The action, its service, the messages it reacts to, and the events it emits."""

STEPS: Final[Sequence[Step]] = (
    ("Check that the cart is in a checkout and that its session has not expired", "cart", [ConfirmCheckout], []),
    (
        "Check that address, shipping and payment are chosen and that prices have not changed",
        "cart",
        [ConfirmCheckout],
        [CheckoutConfirmed, CheckoutRejected],
    ),
    (
        "Extend the reservation of the stock; reserve again what has expired",
        "inventory",
        [CheckoutConfirmed],
        [ReservationExtended, ReservationFailed],
    ),
    (
        "Calculate the final totals (subtotal, discounts, shipping, tax) once both events are there",
        "order",
        [CheckoutConfirmed, ReservationExtended],
        [TotalsCalculated, OrderRejected],
    ),
    (
        "Authorize the payment",
        "payment",
        [TotalsCalculated],
        [PaymentAuthorized, PaymentDeclined, PaymentDeferred],
    ),
    ("Create the order", "order", [PaymentAuthorized, PaymentDeferred], [OrderCreated]),
    (
        "Capture the payment, then confirm the order",
        "payment, order",
        [OrderCreated],
        [PaymentCaptured, CaptureFailed, OrderConfirmed],
    ),
    (
        "Compensate a failure: give money back, release units, reopen the cart",
        "all",
        [CaptureFailed, OrderRejected, OrderCancelled],
        [],
    ),
    (
        "Close the cart and delete its session; if that fails, the order stands and a person is alerted",
        "cart",
        [OrderConfirmed],
        [CheckoutCompleted],
    ),
    ("Publish every event from an outbox: state and event are one commit", "all", [], []),
)


def table() -> str:
    """The steps as a table in Markdown."""
    rows = [
        f"| {number} | {done} | {by} | {_names(upon)} | {_names(outcome)} |"
        for number, (done, by, upon, outcome) in enumerate(STEPS, 1)
    ]
    return "\n".join(["| step | action | service | on | emits |", "|---|---|---|---|---|", *rows])


def _names(kinds: Sequence[Kind]) -> str:
    return " ".join(f"`{kind.__name__}`" for kind in kinds)
