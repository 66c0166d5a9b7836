"""A payment gateway in memory, by the rules of the sandbox. The money is checked against its payments."""

import random
from collections import Counter, deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any, Final, Literal

from devstack.sandbox.intents import Intent, RefusalError
from proofs.simulation.faults import GatewayFault
from services.payment.gateways.port import (
    Answer,
    Declined,
    LookUp,
    PaymentState,
    Refused,
    Sought,
    Succeeded,
    Unavailable,
    Unknown,
    Unusable,
)
from services.payment.gateways.wire import STATE_CODES
from services.payment.model import Payment

KEYS_KEPT: Final = timedelta(hours=24)
HOLD_KEPT: Final = timedelta(days=7)
PENDING: Final = timedelta(seconds=2)
"""How long the gateway does not know what comes of a request."""
FOREIGN: Final = "of somebody else"
"""The description of a payment that is not ours."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it travels. ``kind`` of a look-up is ``look_up``; it needs the reference alone."""

    kind: Literal["authorize", "capture", "void", "refund", "look_up"]
    key: str
    reference: str
    authorization_id: str
    amount: int
    currency: str
    token: str

    @classmethod
    def of(cls, payment: Payment, now: datetime) -> "Request":
        """The one a payment waits for."""
        assert payment.operation is not None
        authorization_id, token = payment.authorization_id or "", payment.token or ""
        kind, currency = payment.request(now), payment.currency
        amount = payment.operation.refund_amount(payment) if kind == "refund" else payment.amount
        return cls(kind, payment.operation.key, payment.gateway_reference, authorization_id, amount, currency, token)


class FakeGateway:
    """Stripe-like: the same key gets the same answer, for a day.

    ``failing``: the part of requests that go wrong, and ``ways`` in which of these.

    A token says what is refused: ``decline_authorize``, ``refuse_capture``, ``refuse_void``, ``refuse_refund``.
    ``faults``: what happens to the requests that come next, one each.
    """

    def __init__(self, seed: int = 0, failing: float = 0.0, ways: Sequence[GatewayFault] = tuple(GatewayFault)) -> None:
        self._intents: dict[str, Intent] = {}
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.faults: deque[GatewayFault] = deque()
        self.troubled_until = self.now
        self.refusals: Counter[str] = Counter()
        """How often something went wrong with a payment, by its reference: what excuses a failed compensation."""
        self._random = random.Random(seed)
        self._failing, self._ways = failing, ways
        self._answers: dict[str, tuple[datetime, Request, Answer]] = {}

    @property
    def intents(self) -> Collection[Intent]:
        """All payments, the oldest first. An authorization expires when it is next asked about, and not before."""
        return tuple(self._intents.values())

    def fork(self) -> "FakeGateway":
        """The same, to go on from, with no faults of its own."""
        made = FakeGateway()
        made._intents = self._intents.copy()
        made.troubled_until = self.troubled_until
        made.now, made.refusals, made._answers = self.now, self.refusals.copy(), self._answers.copy()
        return made

    def digest(self) -> bytes:
        """All that is in it, as bytes."""
        return repr((self.intents, sorted(self._answers))).encode()

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
            self._add(request, currency="JPY", description=FOREIGN)
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
        sought = Sought(request.reference, request.amount, request.currency, request.authorization_id or None)
        return sought.among([self._state(i) for i in self.intents if i.reference == request.reference])

    def undo_by_hand(self, reference: str) -> None:
        """A person gives back what is held or was taken."""
        for intent in self.intents:
            if intent.reference == reference and not is_foreign(intent):
                if intent.captured:
                    self._intents[intent.id] = replace(intent, refunded=intent.captured, pending=0)
                elif intent.status(self.now.timestamp()) != "expired":
                    self._intents[intent.id] = replace(intent, voided=True)

    def _state(self, intent: Intent) -> PaymentState:
        i, now = self._of_now(intent), self.now.timestamp()
        return PaymentState(
            i.id, i.reference, i.status(now), i.amount, i.currency, i.captured, i.refunded, held=i.held, refunding=i.pending
        )

    def _of_now(self, intent: Intent) -> Intent:
        """A payment that is asked about: an old authorization expires, a refund under way comes to its end."""
        now = self.now.timestamp()
        if intent.status(now) == "authorized" and now - intent.created > HOLD_KEPT.total_seconds():
            intent = replace(intent, expires_at=now)
        self._intents[intent.id] = intent.at(now)
        return self._intents[intent.id]

    def _authorize(self, request: Request, fault: GatewayFault | None) -> Answer:
        if "decline_authorize" in request.token:
            return Declined("declined", "the card was declined")
        if fault is GatewayFault.PENDING:
            self._add(request, ready=(self.now + PENDING).timestamp())
            return Unknown("not known yet", "pending", pending=True)
        if fault is GatewayFault.PART:
            return Unusable(self._add(request, held=request.amount // 2), "other_amount", "only a part is held")
        return Succeeded(self._add(request))

    def _add(self, request: Request, **more: Any) -> str:
        """Add a payment; returns its id. ``more``: its other fields."""
        name, now = f"h{len(self._intents)}", self.now.timestamp()
        fields = {"description": "", "currency": request.currency, "held": None} | more
        self._intents[name] = Intent(
            name, request.reference, request.token, amount=request.amount, created=now, expires_at=inf, updated=now, **fields
        )
        return name

    def _change(self, request: Request, fault: GatewayFault | None) -> Answer:
        if request.authorization_id not in self._intents:
            return Refused("no_such_authorization", f"there is no authorization {request.authorization_id!r}")
        before = self._of_now(self._intents[request.authorization_id])
        if f"refuse_{request.kind}" in before.token:
            return Declined("refused", f"the {request.kind} was refused")
        now = self.now.timestamp()
        if request.kind == "refund" and before.status(now) == "captured" and request.amount != before.captured:
            return Refused("other_amount", f"{before.captured} were captured, and {request.amount} are to be refunded")
        part = fault is GatewayFault.PART and request.kind == "capture" and request.amount > 1
        pending = fault is GatewayFault.PENDING and request.kind == "refund"
        try:
            match request.kind:
                case "capture":
                    after = before.capture(request.amount // 2 if part else request.amount, now)
                case "refund" if pending:
                    after = before.begin_refund(request.amount, now, PENDING.total_seconds(), failing=False)
                case "refund":
                    after = before.refund(request.amount, now)
                case _:
                    after = before.void(now)
        except RefusalError as refusal:
            return (Declined if refusal.code in STATE_CODES else Refused)(refusal.code, refusal.message)
        self._intents[after.id] = after
        if part:
            return Unusable(after.id, "other_amount", "only a part was captured")
        return Unknown("not known yet", "pending", pending=True) if pending else Succeeded(after.id)


def is_foreign(intent: Intent) -> bool:
    """Whether a payment is somebody else's."""
    return intent.description == FOREIGN
