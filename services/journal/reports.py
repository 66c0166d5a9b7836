"""Reports the status of each checkout of a timeline: its result, and what it waits for, from whom, since when."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.journal.formatting import format_amount, format_entry, format_reasons
from services.journal.model import Checkout, Entry, Form, update_checkouts
from shared.progress import Limits, Outcome, Waiting

Events = dict[str, Entry]
"""The events of one checkout by their types; of several, the first."""


@dataclass(frozen=True)
class PendingStep:
    """A step that waits. ``events``: any of them ends it; ``who`` has to emit them. Times in seconds.

    ``late``: it takes longer than it should, or needs a person. ``trouble``: the dead letter that keeps ``who`` from answering.
    """

    step: str
    what: str
    events: tuple[str, ...]
    who: str
    since: datetime
    waited: float
    should_take: float
    late: bool
    trouble: str | None


@dataclass(frozen=True)
class CheckoutReport:
    """The status of a checkout for people. ``result``: its outcome in a sentence, once it has one."""

    checkout_id: str
    cart_id: str
    order_number: str | None
    outcome: Outcome | None
    result: str | None
    waits: tuple[PendingStep, ...]

    @property
    def finished(self) -> bool:
        """Whether no step waits."""
        return not self.waits

    @property
    def late(self) -> bool:
        """Whether any step takes longer than it should, or needs a person."""
        return any(step.late for step in self.waits)


def report(entries: Sequence[Entry], limits: Limits, now: datetime) -> list[CheckoutReport]:
    """Report each checkout of these entries, in the order in which they started."""
    found = sorted(update_checkouts(entries), key=lambda checkout: checkout.started_at)
    return [_report(checkout, entries, limits, now) for checkout in found]


def _report(checkout: Checkout, entries: Sequence[Entry], limits: Limits, now: datetime) -> CheckoutReport:
    status = checkout.status
    own: Events = {}
    for entry in entries:
        if entry.checkout_id == checkout.checkout_id and entry.form is Form.MESSAGE and entry.kind:
            own.setdefault(entry.kind, entry)
    return CheckoutReport(
        checkout_id=checkout.checkout_id,
        cart_id=checkout.cart_id,
        order_number=checkout.order_number,
        outcome=status.outcome,
        result=_result(status.outcome, own) if status.outcome else None,
        waits=tuple(_pending(waiting, entries, limits, now) for waiting in status.waits),
    )


def _pending(waiting: Waiting[datetime], entries: Sequence[Entry], limits: Limits, now: datetime) -> PendingStep:
    step = waiting.step
    waited, should_take = (now - waiting.since).total_seconds(), limits.seconds(step)
    return PendingStep(
        step=step.name,
        what=step.what,
        events=tuple(kind.__name__ for kind in step.answers),
        who=step.who,
        since=waiting.since,
        waited=waited,
        should_take=should_take,
        late=waited > should_take,
        trouble=_trouble(step.who, waiting.since, entries),
    )


def _trouble(who: str, since: datetime, entries: Sequence[Entry]) -> str | None:
    """The last dead letter of the service that has to answer, since the step began."""
    dead = (e for e in entries if e.form is Form.DEAD_LETTER and e.recorded_at >= since)
    found = [format_entry(e) for e in dead if e.facts.get("failure", {}).get("service") == who]
    return found[-1] if found else None


def _result(outcome: Outcome, own: Events) -> str:
    try:
        return _RESULTS[outcome](own)
    except (KeyError, TypeError):  # facts of another version of the message
        return outcome.replace("_", " ")


def _completed(own: Events) -> str:
    confirmed = own.get("OrderConfirmed")
    if confirmed is None:
        return f"order {format_entry(own['CheckoutCompleted'])} is confirmed"
    facts = confirmed.facts
    if not facts["total"]:
        return f"order {facts['order_number']} is confirmed, nothing to pay"
    due = "paid on delivery" if "PaymentMarkedPaid" in own else "due on delivery"
    paid = "captured" if facts["payment"] == "captured" else due
    return f"order {facts['order_number']} is confirmed, {format_amount(facts['total'], facts['currency'])} {paid}"


def _cancelled(own: Events) -> str:
    settled = {"PaymentRefunded": ", the payment refunded", "PaymentVoided": ", the payment voided"}
    payment = next((text for kind, text in settled.items() if kind in own), "")
    facts = own["OrderCancelled"].facts
    return f"order {facts['order_number']} is cancelled{payment}: {format_reasons(facts)}"


_RESULTS: Final[dict[Outcome, Callable[[Events], str]]] = {
    Outcome.COMPLETED: _completed,
    Outcome.CANCELLED: _cancelled,
    Outcome.REJECTED: lambda own: f"order rejected: {format_reasons(own['OrderRejected'].facts)}",
    Outcome.DECLINED: lambda own: f"payment declined: {own['PaymentDeclined'].facts['reason']}",
    Outcome.OUT_OF_STOCK: lambda own: f"out of stock: {format_entry(own['ReservationFailed'])}",
    Outcome.ABANDONED: lambda own: f"checkout abandoned by {own['CheckoutAbandoned'].facts['by']}",
}
