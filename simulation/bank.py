"""A payment gateway with a ledger, in memory. It is what the money is checked against."""

import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from services.payment.gateways.port import (
    Answer,
    Declined,
    LookUp,
    NotFound,
    PaymentState,
    PaymentStatus,
    Refused,
    Succeeded,
    Unavailable,
    Unknown,
)
from services.payment.model import Payment
from simulation.faults import GatewayFault

KEYS_KEPT: Final = timedelta(hours=24)
HOLD_KEPT: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it travels. ``kind`` of a look-up is ``look_up``; it needs the reference alone."""

    kind: Literal["authorize", "capture", "void", "refund", "look_up"]
    key: str
    reference: str
    hold: str
    amount: int
    currency: str
    token: str

    @classmethod
    def of(cls, payment: Payment, now: datetime) -> "Request":
        """The one a payment waits for."""
        assert payment.operation is not None
        hold, token = payment.hold or "", payment.token or ""
        amount, currency = payment.amount, payment.currency
        return cls(payment.request(now), payment.operation.key, payment.checkout_id, hold, amount, currency, token)


@dataclass(slots=True)
class Entry:
    """One payment in the ledger, in minor units."""

    hold: str
    reference: str
    amount: int
    currency: str
    token: str
    created: datetime
    status: PaymentStatus = "authorized"
    captured: int = 0
    refunded: int = 0


_CHANGES: Final[dict[str, tuple[PaymentStatus, PaymentStatus]]] = {
    "capture": ("authorized", "captured"),
    "void": ("authorized", "voided"),
    "refund": ("captured", "refunded"),
}


class Bank:
    """Stripe-like: the same key gets the same answer, for a day.

    ``failing``: the part of requests that go wrong, and ``ways`` in which of these.

    A token says what is refused: ``decline_authorize``, ``refuse_capture``, ``refuse_void``, ``refuse_refund``.
    ``faults``: what happens to the requests that come next, one each.
    """

    def __init__(self, seed: int = 0, failing: float = 0.0, ways: Sequence[GatewayFault] = tuple(GatewayFault)) -> None:
        self.entries: list[Entry] = []
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.faults: deque[GatewayFault] = deque()
        self.refusals: Counter[str] = Counter()
        """How often something went wrong with a payment, by its reference: what excuses a failed compensation."""
        self._random = random.Random(seed)
        self._failing, self._ways = failing, ways
        self._answers: dict[str, tuple[datetime, Request, Answer]] = {}

    def fork(self) -> "Bank":
        """The same, to go on from, with no faults of its own."""
        made = Bank()
        made.entries = [replace(entry) for entry in self.entries]
        made.now, made.refusals, made._answers = self.now, self.refusals.copy(), self._answers.copy()
        return made

    def digest(self) -> bytes:
        """All that is in it, as bytes."""
        return repr((self.entries, sorted(self._answers))).encode()

    def next_fault(self) -> GatewayFault | None:
        """What goes wrong with the next request, if anything."""
        if self.faults:
            return self.faults.popleft()
        if self._failing and self._random.random() < self._failing:
            return self._random.choice(self._ways)
        return None

    def ask(self, request: Request, fault: GatewayFault | None = None) -> Answer | LookUp:
        """What the client hears. A request that comes late has not come yet: :meth:`perform` it when it does."""
        if fault is not None:
            self.refusals[request.reference] += 1
        if fault is GatewayFault.UNAVAILABLE:
            return Unavailable("busy")
        if request.kind == "look_up":
            return self.look_up(request.reference) if fault is None else Unavailable("no answer")
        if fault is GatewayFault.LOST or fault is GatewayFault.LATE:
            return Unknown("timed out")
        if fault is GatewayFault.ERROR and request.key not in self._answers:
            self._answers[request.key] = self.now, request, Unknown("an error", code="error", key_spent=True)
        answer = self.perform(request)
        return Unknown("timed out") if fault is GatewayFault.ANSWER_LOST else answer

    def perform(self, request: Request) -> Answer:
        """The request takes effect, unless its key has done so already."""
        at, first, answer = self._answers.get(request.key, (None, None, None))
        if at is None or self.now - at > KEYS_KEPT or answer is None:
            answer = self._authorize(request) if request.kind == "authorize" else self._change(request)
            if not isinstance(answer, Succeeded):
                self.refusals[request.reference] += 1
            self._answers[request.key] = self.now, request, answer
        elif first != request:
            return Refused("idempotency_key_reused", "this key was first used for something else")
        return answer

    def look_up(self, reference: str) -> LookUp:
        """The payment of a reference; where there are several, the one that took or holds money."""
        found = [e for e in self.entries if e.reference == reference]
        if not found:
            return NotFound(reference)
        e = min(found, key=lambda e: ("captured", "authorized", "refunded", "voided", "lapsed").index(self.status(e)))
        return PaymentState(e.hold, reference, self.status(e), e.amount, e.currency, e.captured, e.refunded, len(found) - 1)

    def status(self, entry: Entry) -> PaymentStatus:
        """Where a payment stands now: a hold nobody captured ends by itself."""
        if entry.status == "authorized" and self.now - entry.created > HOLD_KEPT:
            entry.status = "lapsed"
        return entry.status

    def undo_by_hand(self, reference: str) -> None:
        """A person gives back what is held or was taken."""
        for entry in self.entries:
            if entry.reference == reference and entry.status == "authorized":
                entry.status = "voided"
            elif entry.reference == reference and entry.status == "captured":
                entry.status, entry.refunded = "refunded", entry.amount

    def _authorize(self, request: Request) -> Answer:
        if "decline_authorize" in request.token:
            return Declined("declined", "the card was declined")
        hold = f"h{len(self.entries)}"
        self.entries.append(Entry(hold, request.reference, request.amount, request.currency, request.token, self.now))
        return Succeeded(hold)

    def _change(self, request: Request) -> Answer:
        entry = next((e for e in self.entries if e.hold == request.hold), None)
        if entry is None:
            return Refused("no_such_hold", f"there is no hold {request.hold!r}")
        if f"refuse_{request.kind}" in entry.token:
            return Declined("refused", f"the {request.kind} was refused")
        before, after = _CHANGES[request.kind]
        if self.status(entry) != before:
            return Declined("wrong_state", f"the payment is {entry.status}")
        entry.status = after
        entry.captured = entry.amount if request.kind == "capture" else entry.captured
        entry.refunded = entry.amount if request.kind == "refund" else entry.refunded
        return Succeeded(entry.hold)
