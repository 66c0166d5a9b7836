"""A payment gateway with a ledger, in memory. It is what the money is checked against."""

import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from proofs.simulation.faults import GatewayFault
from services.payment.gateways.port import (
    Answer,
    Declined,
    LookUp,
    PaymentState,
    PaymentStatus,
    Refused,
    Sought,
    Succeeded,
    Unavailable,
    Unknown,
    Unusable,
)
from services.payment.model import Payment

KEYS_KEPT: Final = timedelta(hours=24)
HOLD_KEPT: Final = timedelta(days=7)
PENDING: Final = timedelta(seconds=2)
"""How long the gateway does not know what comes of a request."""


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
        kind, currency = payment.request(now), payment.currency
        amount = payment.operation.given(payment) if kind == "refund" else payment.amount
        return cls(kind, payment.operation.key, payment.known_as, hold, amount, currency, token)


@dataclass(slots=True)
class Entry:
    """One payment in the ledger, in minor units.

    ``held``: what can be captured, where it is a part. ``known_at``: when the gateway knows what came of the last request.
    ``foreign``: somebody else's.
    """

    hold: str
    reference: str
    amount: int
    currency: str
    token: str
    created: datetime
    status: PaymentStatus = "authorized"
    captured: int = 0
    refunded: int = 0
    held: int | None = None
    known_at: datetime | None = None
    foreign: bool = False


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
        self.troubled_until = self.now
        self.refusals: Counter[str] = Counter()
        """How often something went wrong with a payment, by its reference: what excuses a failed compensation."""
        self._random = random.Random(seed)
        self._failing, self._ways = failing, ways
        self._answers: dict[str, tuple[datetime, Request, Answer]] = {}

    def fork(self) -> "Bank":
        """The same, to go on from, with no faults of its own."""
        made = Bank()
        made.entries = [replace(entry) for entry in self.entries]
        made.troubled_until = self.troubled_until
        made.now, made.refusals, made._answers = self.now, self.refusals.copy(), self._answers.copy()
        return made

    def digest(self) -> bytes:
        """All that is in it, as bytes."""
        return repr((self.entries, sorted(self._answers))).encode()

    def next_fault(self) -> GatewayFault | None:
        """What goes wrong with the next request, if anything."""
        if self.now < self.troubled_until:
            return GatewayFault.TROUBLE
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
        if fault is GatewayFault.TROUBLE:
            return Unavailable("the key is not valid", code="http_401")
        if request.kind == "look_up":
            return self.look_up(request) if fault is None else Unavailable("no answer")
        if fault is GatewayFault.FOREIGN:
            self._add(replace(request, currency="JPY"), foreign=True)
        if fault in (GatewayFault.LOST, GatewayFault.LATE, GatewayFault.FOREIGN):
            return Unknown("timed out")
        if fault is GatewayFault.ERROR and request.key not in self._answers:
            self._answers[request.key] = self.now, request, Unknown("an error", code="error", key_spent=True)
        answer = self.perform(request, fault)
        return Unknown("timed out") if fault is GatewayFault.ANSWER_LOST else answer

    def perform(self, request: Request, fault: GatewayFault | None = None) -> Answer:
        """The request takes effect, unless its key has done so already."""
        at, first, answer = self._answers.get(request.key, (None, None, None))
        if at is None or self.now - at > KEYS_KEPT or answer is None:
            answer = self._authorize(request, fault) if request.kind == "authorize" else self._change(request, fault)
            if not isinstance(answer, Succeeded):
                self.refusals[request.reference] += 1
            self._answers[request.key] = self.now, request, answer
        elif first != request:
            return Refused("idempotency_key_reused", "this key was first used for something else")
        return answer

    def look_up(self, request: Request) -> LookUp:
        """Our payment; where there are several, the one that took or holds money."""
        sought = Sought(request.reference, request.amount, request.currency, request.hold or None)
        return sought.among([self._shown(e) for e in self.entries if e.reference == request.reference])

    def _shown(self, e: Entry) -> PaymentState:
        made = PaymentState(e.hold, e.reference, self.status(e), e.amount, e.currency, e.captured, e.refunded, held=e.held)
        if not self._pending(e):
            return made
        if e.status == "authorized":
            return replace(made, status="processing", held=None)
        return replace(made, status="captured", refunded=0, refunding=e.refunded)

    def _pending(self, entry: Entry) -> bool:
        return entry.known_at is not None and self.now < entry.known_at

    def status(self, entry: Entry) -> PaymentStatus:
        """Where a payment stands now: a hold nobody captured ends by itself."""
        if entry.status == "authorized" and self.now - entry.created > HOLD_KEPT:
            entry.status = "lapsed"
        return entry.status

    def undo_by_hand(self, reference: str) -> None:
        """A person gives back what is held or was taken."""
        for entry in self.entries:
            if entry.reference == reference and not entry.foreign and entry.status == "authorized":
                entry.status = "voided"
            elif entry.reference == reference and not entry.foreign and entry.status == "captured":
                entry.status, entry.refunded = "refunded", entry.captured

    def _authorize(self, request: Request, fault: GatewayFault | None) -> Answer:
        if "decline_authorize" in request.token:
            return Declined("declined", "the card was declined")
        entry = self._add(request)
        if fault is GatewayFault.PENDING:
            entry.known_at = self.now + PENDING
            return Unknown("not known yet", "pending", pending=True)
        if fault is GatewayFault.PART:
            entry.held = request.amount // 2
            return Unusable(entry.hold, "other_amount", "only a part is held")
        return Succeeded(entry.hold)

    def _add(self, request: Request, *, foreign: bool = False) -> Entry:
        entry = Entry(
            f"h{len(self.entries)}",
            request.reference,
            request.amount,
            request.currency,
            request.token,
            self.now,
            foreign=foreign,
        )
        self.entries.append(entry)
        return entry

    def _change(self, request: Request, fault: GatewayFault | None) -> Answer:
        entry = next((e for e in self.entries if e.hold == request.hold), None)
        if entry is None:
            return Refused("no_such_hold", f"there is no hold {request.hold!r}")
        if f"refuse_{request.kind}" in entry.token:
            return Declined("refused", f"the {request.kind} was refused")
        before, after = _CHANGES[request.kind]
        if self.status(entry) != before or self._pending(entry):
            return Declined("wrong_state", f"the payment is {entry.status}")
        part = fault is GatewayFault.PART and request.kind == "capture" and request.amount > 1
        if request.kind == "capture":
            entry.captured = request.amount // 2 if part else request.amount
        elif request.kind == "refund":
            if request.amount != entry.captured:
                return Refused("other_amount", f"{entry.captured} were captured, and {request.amount} are to be refunded")
            entry.refunded = request.amount
        entry.status = after
        if part:
            return Unusable(entry.hold, "other_amount", "only a part was captured")
        if fault is GatewayFault.PENDING and request.kind == "refund":
            entry.known_at = self.now + PENDING
            return Unknown("not known yet", "pending", pending=True)
        return Succeeded(entry.hold)
