"""Payment where one payment has come to any of its states, by the messages and the gateway's answers that lead there."""

from dataclasses import replace
from typing import Any, Final

from services.payment.answers import GatewayAnswered
from services.payment.gateways.port import (
    Answer,
    Declined,
    LookUp,
    PaymentStatus,
    Refused,
    Succeeded,
    Unknown,
    Unusable,
)
from services.payment.gateways.port import PaymentState as Found
from services.payment.model import Payment, PaymentOperation
from shared.contract.message import Message
from shared.contract.order import OrderCancelled, OrderCreated, OrderRejected, TotalsCalculated
from shared.contract.payment import MarkPaid, OperationNearlyGivenUp
from tests.support.facts import CASH, CHECKOUT, a
from tests.support.solo import Solo

DONE: Final = Succeeded("h1")
NO: Final = Declined("no_funds", "the card has no funds")
BUG: Final = Refused("api_key_invalid", "the key is not valid")
LOST: Final = Unknown("timed out")
WAIT: Final = Unknown("not known yet", "pending", pending=True)
PART: Final = Unusable("h1", "other_amount", "only a part could be held")

TOTALS: Final = a(TotalsCalculated)
AUTHORIZED: Final = (TOTALS, DONE)
CAPTURING: Final = (*AUTHORIZED, a(OrderCreated))
CAPTURED: Final = (*CAPTURING, DONE)
VOIDING: Final = (*AUTHORIZED, a(OrderCancelled))
REFUNDING: Final = (*CAPTURED, a(OrderCancelled))
DEFERRED: Final = a(TotalsCalculated, payment_method=CASH)

STATES: Final[dict[str, tuple[Any, ...]]] = {
    "unknown": (),
    "authorizing": (TOTALS,),
    "authorizing, unwanted": (TOTALS, a(OrderRejected)),
    "authorized": AUTHORIZED,
    "declined": (TOTALS, NO),
    "deferred": (DEFERRED,),
    "paid": (DEFERRED, a(MarkPaid)),
    "capturing": CAPTURING,
    "capturing, unwanted": (*CAPTURING, a(OrderCancelled)),
    "captured": CAPTURED,
    "capture_failed": (*CAPTURING, NO),
    "voiding": VOIDING,
    "voided": (*VOIDING, DONE),
    "void_failed": (*VOIDING, BUG),
    "refunding": REFUNDING,
    "refunded": (*REFUNDING, DONE),
    "refund_failed": (*REFUNDING, BUG),
    "refund_failed, paid in cash": (DEFERRED, a(MarkPaid), a(OrderCancelled)),
    "rejected early": (a(OrderRejected),),
}


def payment_in(state: str) -> Solo:
    """The service, with a payment in this state."""
    made = Solo("payment")
    for step in STATES[state]:
        if isinstance(step, Message):
            made.hear(step)
        else:
            answer(made, step)
    return made


def payment(made: Solo) -> Payment:
    return made.own(Payment, CHECKOUT)


def operation(made: Solo) -> PaymentOperation:
    """What the gateway is to do."""
    found = payment(made).operation
    assert found is not None, f"the payment is {payment(made).state} and waits for nothing"
    return found


def answer(made: Solo, *answers: Answer | LookUp) -> list[Message]:
    """What is emitted when the gateway answers the request under way, and then each that follows."""
    return [message for each in answers for message in made.hear(GatewayAnswered(CHECKOUT, operation(made).serial, each))]


def outcome(made: Solo, *answers: Answer | LookUp) -> list[Message]:
    """As :func:`answer`, without the warnings on the way: those have tests of their own."""
    return [message for message in answer(made, *answers) if not isinstance(message, OperationNearlyGivenUp)]


def found(status: PaymentStatus, **more: Any) -> Found:
    """What a look-up may find."""
    captured = 2990 if status in ("captured", "refunded") else 0
    made = Found("h1", CHECKOUT, status, 2990, "EUR", captured, captured if status == "refunded" else 0)
    return replace(made, **more)
