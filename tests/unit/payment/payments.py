"""Payment where one payment has come to any of its states, by the messages and the gateway's answers that lead there."""

from dataclasses import replace
from typing import Any, Final

from proofs.simulation.wiring import CONTEXT
from services.payment.answers import GatewayAnswered
from services.payment.gateways.port import (
    Answer,
    Declined,
    LookUp,
    NotFound,
    PaymentStatus,
    Refused,
    Succeeded,
    Unavailable,
    Unknown,
    Unusable,
)
from services.payment.gateways.port import PaymentState as Found
from services.payment.model import Payment, PaymentOperation, Policy
from shared.contract.message import Message
from shared.contract.order import OrderCancelled, OrderCreated, OrderRejected, TotalsCalculated
from shared.contract.payment import (
    CaptureFailed,
    MarkPaid,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RetriesNearlyExhausted,
    VoidFailed,
)
from tests.support.facts import CASH, CHECKOUT, a
from tests.support.solo import Solo

DONE: Final = Succeeded("h1")
NO: Final = Declined("no_funds", "the card has no funds")
BUG: Final = Refused("api_key_invalid", "the key is not valid")
LOST: Final = Unknown("timed out")
WAIT: Final = Unknown("not known yet", "pending", pending=True)
PART: Final = Unusable("h1", "other_amount", "only a part could be held")

STATE: Final = {"authorize": "authorizing", "capture": "capturing", "void": "voiding", "refund": "refunding"}
BUSY: Final = Unavailable("busy")
SPENT: Final = Unknown("HTTP 500", "internal_error", key_spent=True)
MISSING: Final = NotFound(CHECKOUT)
POLICY: Final[Policy] = CONTEXT[Policy]

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
OK, FAILED = "success", "failure"
ENDS: Final[dict[str, dict[str, tuple[str, type[Message]]]]] = {
    "authorize": {OK: ("authorized", PaymentAuthorized), FAILED: ("declined", PaymentDeclined)},
    "capture": {OK: ("captured", PaymentCaptured), FAILED: ("capture_failed", CaptureFailed)},
    "void": {OK: ("voided", PaymentVoided), FAILED: ("void_failed", VoidFailed)},
    "refund": {OK: ("refunded", PaymentRefunded), FAILED: ("refund_failed", RefundFailed)},
}


def names(value: Any) -> str | None:
    """Answers by their types, for the names of tests."""
    if not isinstance(value, list):
        return None
    return ",".join(getattr(each, "status", type(each).__name__) for each in value)


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
    return [message for message in answer(made, *answers) if not isinstance(message, RetriesNearlyExhausted)]


def found(status: PaymentStatus, **more: Any) -> Found:
    """What a look-up may find."""
    captured = 2990 if status in ("captured", "refunded") else 0
    made = Found("h1", CHECKOUT, status, 2990, "EUR", captured, captured if status == "refunded" else 0)
    return replace(made, **more)
