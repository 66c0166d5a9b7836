"""Where a story stands, and what it waits for, from whom, since when: told from its entries alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.journal import words
from services.journal.model import Checkout, Entry, Form, checkouts
from shared.progress import Limits, Outcome, Waiting

Events = dict[str, Entry]
"""The events of one checkout by their types; of several, the first."""


@dataclass(frozen=True)
class Awaited:
    """One wait. ``events``: any of them ends it; ``who`` is to emit them. Times in seconds.

    ``late``: it takes longer than it should, or needs a person. ``trouble``: what kept who is waited for from answering.
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
class Stands:
    """Where a checkout stands. ``came_to``: what it came to, in words, once that is known."""

    checkout_id: str
    cart_id: str
    order_number: str | None
    outcome: Outcome | None
    came_to: str | None
    waits: tuple[Awaited, ...]

    @property
    def finished(self) -> bool:
        """Whether nothing is to come any more."""
        return not self.waits

    @property
    def late(self) -> bool:
        """Whether anything takes longer than it should, or needs a person."""
        return any(awaited.late for awaited in self.waits)


def stands(entries: Sequence[Entry], limits: Limits, now: datetime) -> list[Stands]:
    """Where each checkout of a story stands, in the order they were started."""
    found = sorted(checkouts(entries), key=lambda checkout: checkout.started_at)
    return [_stands(checkout, entries, limits, now) for checkout in found]


def _stands(checkout: Checkout, entries: Sequence[Entry], limits: Limits, now: datetime) -> Stands:
    found = checkout.status
    own: Events = {}
    for entry in entries:
        if entry.checkout_id == checkout.checkout_id and entry.form is Form.MESSAGE and entry.kind:
            own.setdefault(entry.kind, entry)
    return Stands(
        checkout_id=checkout.checkout_id,
        cart_id=checkout.cart_id,
        order_number=checkout.order_number,
        outcome=found.outcome,
        came_to=_came_to(found.outcome, own) if found.outcome else None,
        waits=tuple(_awaited(waiting, entries, limits, now) for waiting in found.waits),
    )


def _awaited(waiting: Waiting[datetime], entries: Sequence[Entry], limits: Limits, now: datetime) -> Awaited:
    step = waiting.step
    waited, should_take = (now - waiting.since).total_seconds(), limits.seconds(step)
    return Awaited(
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
    """The last dead letter of who is waited for, since the wait began."""
    dead = (e for e in entries if e.form is Form.DEAD_LETTER and e.recorded_at >= since)
    told = [words.words(e) for e in dead if e.facts.get("failure", {}).get("service") == who]
    return told[-1] if told else None


def _came_to(outcome: Outcome, own: Events) -> str:
    try:
        return _CAME_TO[outcome](own)
    except (KeyError, TypeError):  # facts of another version than these words
        return outcome.replace("_", " ")


def _completed(own: Events) -> str:
    confirmed = own.get("OrderConfirmed")
    if confirmed is None:
        return f"order {words.words(own['CheckoutCompleted'])} is confirmed"
    facts = confirmed.facts
    if not facts["total"]:
        return f"order {facts['order_number']} is confirmed, nothing to pay"
    due = "paid on delivery" if "PaymentMarkedPaid" in own else "due on delivery"
    paid = "captured" if facts["payment"] == "captured" else due
    return f"order {facts['order_number']} is confirmed, {words.amount(facts['total'], facts['currency'])} {paid}"


def _cancelled(own: Events) -> str:
    given_back = {"PaymentRefunded": ", the money given back", "PaymentVoided": ", nothing held any more"}
    money = next((told for kind, told in given_back.items() if kind in own), "")
    facts = own["OrderCancelled"].facts
    return f"order {facts['order_number']} is cancelled{money}: {words.reasons(facts)}"


_CAME_TO: Final[dict[Outcome, Callable[[Events], str]]] = {
    Outcome.COMPLETED: _completed,
    Outcome.CANCELLED: _cancelled,
    Outcome.REJECTED: lambda own: f"there is no order: {words.reasons(own['OrderRejected'].facts)}",
    Outcome.DECLINED: lambda own: f"the payment was declined: {own['PaymentDeclined'].facts['reason']}",
    Outcome.OUT_OF_STOCK: lambda own: f"the stock was short: {words.words(own['ReservationFailed'])}",
    Outcome.ABANDONED: lambda own: f"the checkout was given up by {own['CheckoutAbandoned'].facts['by']}",
}
