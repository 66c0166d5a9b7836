"""What can be done about a customer's money, an alert or a dead letter: which command, and how it is offered. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.alerts.model import MONEY, Alert, AlertState, DeadLetter, LetterState
from services.journal.model import Entry
from services.journal.telling import rows
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
    """A button: ``name`` goes with the form, ``label`` is on it, ``hint`` says what it does.

    ``disputable``: it can be recorded although the gateway says otherwise.
    """

    name: str
    label: str
    hint: str
    disputable: bool = False


RETRY_VOID: Final = Action("retry-void", "Retry the void", "The gateway is asked once more to release the hold.")
RETRY_REFUND: Final = Action("retry-refund", "Retry the refund", "The gateway is asked once more to give the money back.")
_ASKED: Final = "The gateway is asked first."
MARK_VOIDED: Final = Action(
    "mark-voided", "Mark as released", f"You say that the hold was released by hand. {_ASKED}", disputable=True
)
MARK_REFUNDED: Final = Action(
    "mark-refunded", "Mark as given back", f"You say that the money was given back by hand. {_ASKED}", disputable=True
)
MARK_PAID: Final = Action("mark-paid", "Mark as paid", "You say that the money was received.")
ACKNOWLEDGE: Final = Action("ack", "Acknowledge", "Others see that somebody works on it.")
RESOLVE: Final = Action("resolve", "Resolve", "It needs nothing any more.")
RESOLVE_SETTLED: Final = Action("resolve-settled", "Resolve as settled", "The money is settled, though payment never said so.")
REDRIVE: Final = Action("redrive", "Redrive", "The record goes once more to the service that failed, and to nobody else.")
PARK: Final = Action("park", "Park", "It is not redriven with others until somebody names it.")

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
    RESOLVE.name: (ResolveDeadLetter, DeadLetterResolved),
    REDRIVE.name: (RedriveDeadLetter, DeadLetterResolved),
}
_OF_MONEY: Final = {
    "void_failed": (RETRY_VOID, MARK_VOIDED),
    "refund_failed": (RETRY_REFUND, MARK_REFUNDED),
}
_FAILED: Final = {"VoidFailed": _OF_MONEY["void_failed"], "RefundFailed": _OF_MONEY["refund_failed"]}


def of_alert(alert: Alert) -> Sequence[Action]:
    """What may be done about an alert itself."""
    if alert.state is AlertState.RESOLVED:
        return ()
    resolve = RESOLVE_SETTLED if alert.kind in MONEY else RESOLVE
    return (ACKNOWLEDGE, resolve) if alert.state is AlertState.OPEN else (resolve,)


def of_money(alert: Alert) -> Sequence[Action]:
    """What may be done about the money an open alert is about."""
    return () if alert.state is AlertState.RESOLVED else _OF_MONEY.get(alert.kind, ())


def of_letter(letter: DeadLetter) -> Sequence[Action]:
    """What may be done about a dead letter."""
    if letter.state is LetterState.RESOLVED or letter.kind == "compensation":
        return ()
    redrive = () if letter.why_not_redriven(parked=True) else (REDRIVE,)
    park = () if letter.state is LetterState.PARKED else (PARK,)
    return (*redrive, *park, RESOLVE)


def of_story(trace: Trace) -> dict[str, Sequence[Action]]:
    """What may be done about the money of a story's checkouts, by their ids."""
    found: dict[str, Sequence[Action]] = {}
    for stands in trace.stands:
        own = [node.entry for _, node in rows(trace) if node.entry.checkout_id == stands.checkout_id]
        kinds = {entry.kind for entry in own}
        if any(awaited.step == "settle" for awaited in stands.waits):
            failed = max((entry for entry in own if entry.kind in _FAILED), key=lambda entry: entry.at)
            found[stands.checkout_id] = _FAILED[failed.kind or ""]
        elif any(_is_due(entry) for entry in own) and not {"PaymentMarkedPaid", "OrderCancelled"} & kinds:
            found[stands.checkout_id] = (MARK_PAID,)
    return found


def _is_due(entry: Entry) -> bool:
    """Whether it says that an order's money is still to be received."""
    return entry.kind == "OrderConfirmed" and entry.facts.get("payment") == "due" and bool(entry.facts.get("total"))
