"""What the journal stores: an entry for every record, and the progress of each checkout."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from shared.contract.text import is_plain
from shared.progress import KINDS, CheckoutStatus, status_of


class Form(StrEnum):
    """How the journal classifies a record.

    ``message``: a command or an event. ``refused``: a command whose content breaks the contract. ``unreadable``: a record
    that cannot be parsed. ``dead_letter``: a record that a service could not handle. ``copy``: a message republished for
    one service, on a topic that is not its own.
    """

    MESSAGE = "message"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    DEAD_LETTER = "dead_letter"
    COPY = "copy"


_PAYMENT_ENDS: Final = ("PaymentCaptured", "PaymentVoided", "VoidFailed", "PaymentRefunded", "RefundFailed")
WARNINGS: Final = {
    "AuthorizationExpiring": _PAYMENT_ENDS,
    "RetriesNearlyExhausted": (*_PAYMENT_ENDS, "PaymentAuthorized", "PaymentDeclined", "CaptureFailed"),
}
"""The events by which payment warns of a checkout, each with those that end the warning. All have one clock."""
MOVES: Final = KINDS.keys() | WARNINGS.keys()
"""The names of the events that a checkout remembers."""
ORIGINALS: Final = (Form.MESSAGE, Form.REFUSED)
"""Identified by key, source and message id, so a record published twice is one entry. Others: by position."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record.

    ``at``: when it happened, by its writer's clock (CloudEvents ``time``) if that is plausible; ``recorded_at``: when it
    was published, by Kafka's clock. ``key``: the cart it belongs to (for the catalogue and the stock the SKU, for coupons
    their code); empty if unknown. ``cause``: the id of the message that caused it, or the name of a deadline (``due/…``)
    or of an answer of the gateway (``gateway/…``). ``facts``: the redacted content, and under ``failure`` why it could
    not be read, was refused or is a dead letter.
    """

    topic: str
    partition: int
    offset: int
    recorded_at: datetime
    at: datetime
    form: Form
    key: str
    source: str = ""
    kind: str | None = None
    message_id: str | None = None
    checkout_id: str | None = None
    cause: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """Who wrote it: the service's name, or what a client calls itself; ``?`` if unknown."""
        return self.source.removeprefix("/quadrille/") or "?"

    @property
    def place(self) -> tuple[str, int, int]:
        """Its topic, partition and offset."""
        return self.topic, self.partition, self.offset


@dataclass(slots=True)
class Checkout:
    """One attempt to check a cart out, as far as the journal knows it.

    ``steps``: when each event that moves a checkout happened, by its name. ``waits``: since when it waits in each step;
    ``None`` once it is finished. Both in milliseconds since 1970, UTC. ``warnings``: the events of :data:`WARNINGS` that
    nothing has ended; ``None`` without any. ``amount``: minor units.
    """

    checkout_id: str
    cart_id: str
    started_at: datetime
    moved_at: datetime
    steps: dict[str, int] = field(default_factory=dict)
    order_number: str | None = None
    authorization_id: str | None = None
    amount: int | None = None
    currency: str | None = None
    outcome: str | None = None
    waits: dict[str, int] | None = None
    warnings: list[str] | None = None

    def add(self, entry: Entry) -> None:
        """Add an event of this checkout. Call :meth:`update_status` after the last one."""
        assert entry.kind is not None
        self.steps[entry.kind] = max(milliseconds(entry.at), self.steps.get(entry.kind, 0))
        self.started_at, self.moved_at = min(self.started_at, entry.at), max(self.moved_at, entry.at)
        facts = entry.facts
        self.order_number = _word(facts.get("order_number")) or self.order_number
        self.authorization_id = _word(facts.get("authorization_id")) or self.authorization_id
        billed = facts.get("totals") or {}
        amount = billed.get("total", facts.get("amount"))
        if isinstance(amount, int) and abs(amount) < 2**63:
            self.amount = amount
            self.currency = _word(billed.get("currency", facts.get("currency"))) or self.currency

    @property
    def status(self) -> CheckoutStatus[datetime]:
        """Its status by the events that are known."""
        return status_of({kind: moment(ms) for kind, ms in self.steps.items()})

    def update_status(self) -> None:
        """Set ``outcome``, ``waits`` and ``warnings`` from ``steps``."""
        status, seen = status_of(self.steps), self.steps
        self.outcome = status.outcome
        self.waits = {waiting.step.name: waiting.since for waiting in status.waits} or None
        self.warnings = [
            warning
            for warning, ends in WARNINGS.items()
            if warning in seen and all(seen[end] < seen[warning] for end in seen.keys() & ends)
        ] or None


def moves(entry: Entry) -> bool:
    """Whether an entry is an event that moves a checkout, or a warning about it."""
    return entry.form is Form.MESSAGE and entry.kind in MOVES and entry.checkout_id is not None


def update_checkouts(entries: Iterable[Entry], known: Mapping[str, Checkout] | None = None) -> list[Checkout]:
    """Apply entries to the checkouts they move; returns those, with their new status. ``known``: their state before."""
    found: dict[str, Checkout] = {}
    for entry in filter(moves, entries):
        assert entry.checkout_id is not None
        checkout = found.get(entry.checkout_id) or (known or {}).get(entry.checkout_id)
        found[entry.checkout_id] = checkout or Checkout(entry.checkout_id, entry.key, entry.at, entry.at)
        found[entry.checkout_id].add(entry)
    for checkout in found.values():
        checkout.update_status()
    return sorted(found.values(), key=lambda checkout: checkout.checkout_id)


def milliseconds(moment: datetime) -> int:
    """A time as the journal stores it in JSON."""
    return round(moment.timestamp() * 1000)


def moment(ms: int) -> datetime:
    """The time that :func:`milliseconds` stored."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 200 and is_plain(value) else None
