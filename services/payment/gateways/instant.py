"""A gateway in the process itself that approves everything at once: for the bench, and for tests of the service."""

import itertools
import time
from dataclasses import dataclass
from typing import Final

from services.payment.gateways.ledger import LedgerEntry, LedgerPage
from services.payment.gateways.port import (
    Answer,
    Authorization,
    Declined,
    LookUp,
    NotFound,
    PaymentState,
    PaymentStatus,
    Refused,
    Succeeded,
)

_NEVER_SECONDS: Final = 10**9


@dataclass(slots=True)
class _Payment:
    seq: int
    granted: Succeeded
    request: Authorization
    created: float
    updated: float
    captured: int = 0
    refunded: int = 0
    voided: bool = False

    @property
    def hold(self) -> str:
        return self.granted.hold

    @property
    def status(self) -> PaymentStatus:
        if self.voided:
            return "voided"
        if not self.captured:
            return "authorized"
        return "refunded" if self.refunded == self.captured else "captured"


class InstantGateway:
    """Approves all, in memory, with the same idempotency and the same rules of state as a real one. Never lapses."""

    def __init__(self) -> None:
        self._payments: list[_Payment] = []
        self._by_hold: dict[str, _Payment] = {}
        self._by_reference: dict[str, list[_Payment]] = {}
        self._answers: dict[str, tuple[int, Answer]] = {}
        self._numbers = itertools.count(1)

    async def authorize(self, key: str, request: Authorization) -> Answer:
        """Hold money: always granted."""
        return self._once(key, "authorize", request) or self._keep(key, self._authorize(request), "authorize", request)

    async def capture(self, key: str, hold: str, amount: int) -> Answer:
        """Take ``amount`` minor units of a hold."""
        asked = ("capture", hold, amount)
        return self._once(key, *asked) or self._keep(key, self._capture(hold, amount), *asked)

    async def void(self, key: str, hold: str) -> Answer:
        """Release a hold that was not captured."""
        return self._once(key, "void", hold) or self._keep(key, self._void(hold), "void", hold)

    async def refund(self, key: str, hold: str, amount: int) -> Answer:
        """Give back ``amount`` minor units of what was captured."""
        asked = ("refund", hold, amount)
        return self._once(key, *asked) or self._keep(key, self._refund(hold, amount), *asked)

    async def look_up(self, reference: str) -> LookUp:
        """Where the payment with our reference stands."""
        payments = self._by_reference.get(reference)
        if not payments:
            return NotFound(reference)
        it = payments[-1]
        return PaymentState(
            hold=it.hold,
            reference=reference,
            status=it.status,
            amount=it.request.amount,
            currency=it.request.currency,
            captured=it.captured,
            refunded=it.refunded,
            others=len(payments) - 1,
        )

    async def close(self) -> None:
        """Nothing to let go of; the ledger can still be read."""

    def ledger(self, since: int = 0, limit: int = 1000) -> LedgerPage:
        """Up to ``limit`` payments after number ``since``, as the sandbox's ``/admin/ledger`` gives them."""
        entries = tuple(self._entry(payment) for payment in self._payments[since : since + limit])
        return LedgerPage(entries, since + limit if since + limit < len(self._payments) else None)

    def _once(self, key: str, *asked: object) -> Answer | None:
        if key not in self._answers:
            return None
        first, answer = self._answers[key]
        if first != hash(asked):
            return Refused("idempotency_key_reused", "this idempotency key was first used with other parameters")
        return Succeeded(answer.hold, replayed=True) if isinstance(answer, Succeeded) else answer

    def _keep(self, key: str, answer: Answer, *asked: object) -> Answer:
        self._answers[key] = (hash(asked), answer)
        return answer

    def _authorize(self, request: Authorization) -> Answer:
        now, seq = time.time(), next(self._numbers)
        payment = _Payment(seq, Succeeded(f"pi_{seq:024x}"), request, now, now)
        self._payments.append(payment)
        self._by_hold[payment.hold] = payment
        self._by_reference.setdefault(request.reference, []).append(payment)
        return payment.granted

    def _capture(self, hold: str, amount: int) -> Answer:
        payment = self._by_hold.get(hold)
        if payment is None or payment.status != "authorized":
            return _not_now(payment, hold, "captured")
        if not 0 < amount <= payment.request.amount:
            return Refused("amount_too_large", f"{amount} cannot be captured of {payment.request.amount}")
        payment.captured, payment.updated = amount, time.time()
        return payment.granted

    def _void(self, hold: str) -> Answer:
        payment = self._by_hold.get(hold)
        if payment is None or payment.status != "authorized":
            return _not_now(payment, hold, "voided")
        payment.voided, payment.updated = True, time.time()
        return payment.granted

    def _refund(self, hold: str, amount: int) -> Answer:
        payment = self._by_hold.get(hold)
        if payment is None or payment.status != "captured":
            return _not_now(payment, hold, "refunded")
        if not 0 < amount <= payment.captured - payment.refunded:
            return Refused("amount_too_large", f"{amount} cannot be refunded of {payment.captured - payment.refunded}")
        payment.refunded, payment.updated = payment.refunded + amount, time.time()
        return payment.granted

    def _entry(self, payment: _Payment) -> LedgerEntry:
        request, status = payment.request, payment.status
        return LedgerEntry(
            seq=payment.seq,
            id=payment.hold,
            reference=request.reference,
            amount=request.amount,
            currency=request.currency,
            authorized=request.amount,
            held=request.amount if status == "authorized" else 0,
            captured=payment.captured,
            refunded=payment.refunded,
            voided=request.amount if status == "voided" else 0,
            status=status,
            charges=len(self._by_reference[request.reference]),
            created=payment.created,
            updated=payment.updated,
            lapses=payment.created + _NEVER_SECONDS,
        )


def _not_now(payment: _Payment | None, hold: str, wanted: str) -> Answer:
    if payment is None:
        return Refused("resource_missing", f"there is no payment {hold}")
    return Declined("payment_intent_unexpected_state", f"a payment that is {payment.status} cannot be {wanted}")
