"""The actions on a payment, an alert or a dead letter: the command of each, and its button. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.alerts.model import MONEY, Alert, DeadLetter
from services.alerts.states import AlertState, DeadLetterState
from services.journal.model import Entry
from services.journal.rendering import rows
from services.journal.trace import Trace
from shared.contract.alerts import (
    AcknowledgeAlert,
    AlertAcknowledged,
    AlertResolved,
    DeadLetterParked,
    DeadLetterResolved,
    ParkDeadLetter,
    RedriveDeadLetter,
    ResolveAlert,
    ResolveDeadLetter,
)
from shared.contract.message import Command, Message
from shared.contract.payment import MarkPaid, MarkRefunded, MarkVoided, PaymentCommand, RetryRefund, RetryVoid


@dataclass(frozen=True)
class Action:
    """A button. ``name`` is sent with the form, ``hint`` explains ``label``.

    ``disputable``: it can be recorded even if the gateway disagrees.
    """

    name: str
    label: str
    hint: str
    disputable: bool = False


RETRY_VOID: Final = Action("retry-void", "Retry the void", "Ask the gateway again to void the payment.")
RETRY_REFUND: Final = Action("retry-refund", "Retry the refund", "Ask the gateway again to refund the payment.")
_BY_HAND: Final = "Record that the payment was {} by hand. The payment service asks the gateway first."
MARK_VOIDED: Final = Action("mark-voided", "Mark as voided", _BY_HAND.format("voided"), disputable=True)
MARK_REFUNDED: Final = Action("mark-refunded", "Mark as refunded", _BY_HAND.format("refunded"), disputable=True)
MARK_PAID: Final = Action("mark-paid", "Mark as paid", "Record that the money was received.")
ACKNOWLEDGE: Final = Action("ack", "Acknowledge", "Show others that you are working on it.")
RESOLVE: Final = Action("resolve", "Resolve", "Close the alert: nothing is left to do.")
RESOLVE_SETTLED: Final = Action("resolve-settled", "Resolve as settled", "The payment is settled, but no event says so.")
RESOLVE_DEAD_LETTER: Final = Action("resolve", "Resolve", "Close the dead letter: nothing is left to do.")
REDRIVE: Final = Action("redrive", "Redrive", "Send the record again, only to the service that failed.")
PARK: Final = Action("park", "Park", "Exclude it from bulk redrives until somebody redrives it by its id.")

PAYMENTS: Final[dict[str, type[PaymentCommand]]] = {
    RETRY_VOID.name: RetryVoid,
    RETRY_REFUND.name: RetryRefund,
    MARK_VOIDED.name: MarkVoided,
    MARK_REFUNDED.name: MarkRefunded,
    MARK_PAID.name: MarkPaid,
}
ALERTS: Final[dict[str, tuple[type[Command], type[Message]]]] = {
    ACKNOWLEDGE.name: (AcknowledgeAlert, AlertAcknowledged),
    RESOLVE.name: (ResolveAlert, AlertResolved),
    RESOLVE_SETTLED.name: (ResolveAlert, AlertResolved),
}
LETTERS: Final[dict[str, tuple[type[Command], type[Message]]]] = {
    PARK.name: (ParkDeadLetter, DeadLetterParked),
    RESOLVE_DEAD_LETTER.name: (ResolveDeadLetter, DeadLetterResolved),
    REDRIVE.name: (RedriveDeadLetter, DeadLetterResolved),
}
_OF_MONEY: Final = {
    "void_failed": (RETRY_VOID, MARK_VOIDED),
    "refund_failed": (RETRY_REFUND, MARK_REFUNDED),
}
_FAILED: Final = {"VoidFailed": _OF_MONEY["void_failed"], "RefundFailed": _OF_MONEY["refund_failed"]}


def of_alert(alert: Alert) -> Sequence[Action]:
    """The actions on an alert itself."""
    if alert.state is AlertState.RESOLVED:
        return ()
    resolve = RESOLVE_SETTLED if alert.kind in MONEY else RESOLVE
    return (ACKNOWLEDGE, resolve) if alert.state is AlertState.OPEN else (resolve,)


def of_money(alert: Alert) -> Sequence[Action]:
    """The actions on the payment of an open alert."""
    return () if alert.state is AlertState.RESOLVED else _OF_MONEY.get(alert.kind, ())


def of_dead_letter(dead_letter: DeadLetter) -> Sequence[Action]:
    """The actions on a dead letter."""
    if dead_letter.state is DeadLetterState.RESOLVED or dead_letter.kind == "compensation":
        return ()
    redrive = () if dead_letter.why_not_redriven(parked=True) else (REDRIVE,)
    park = () if dead_letter.state is DeadLetterState.PARKED else (PARK,)
    return (*redrive, *park, RESOLVE_DEAD_LETTER)


def of_trace(trace: Trace) -> dict[str, Sequence[Action]]:
    """The actions on the payments of a trace, by checkout id."""
    found: dict[str, Sequence[Action]] = {}
    for checkout in trace.checkouts:
        own = [node.entry for _, node in rows(trace) if node.entry.checkout_id == checkout.checkout_id]
        kinds = {entry.kind for entry in own}
        if any(step.step == "settle" for step in checkout.waits):
            failed = max((entry for entry in own if entry.kind in _FAILED), key=lambda entry: entry.at)
            found[checkout.checkout_id] = _FAILED[failed.kind or ""]
        elif any(_is_due(entry) for entry in own) and not {"PaymentMarkedPaid", "OrderCancelled"} & kinds:
            found[checkout.checkout_id] = (MARK_PAID,)
    return found


def _is_due(entry: Entry) -> bool:
    """Whether it confirms an order that is not paid yet."""
    return entry.kind == "OrderConfirmed" and entry.facts.get("payment") == "due" and bool(entry.facts.get("total"))
