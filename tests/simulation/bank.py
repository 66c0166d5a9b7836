"""A gateway with a ledger, in memory, that fails as a token or a seed says."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from services.payment.gateways.port import (
    Answer,
    Authorization,
    Declined,
    LookUp,
    NotFound,
    PaymentState,
    PaymentStatus,
    Succeeded,
    Unavailable,
    Unknown,
)


@dataclass
class Entry:
    """One payment at the bank, in minor units."""

    hold: str
    reference: str
    amount: int
    currency: str
    token: str
    status: PaymentStatus = "authorized"
    captured: int = 0
    refunded: int = 0


class Bank:
    """Stripe-like: the same key gets the same answer. ``trouble``: the part of calls that go wrong on the way."""

    def __init__(self, seed: int = 0, trouble: float = 0.0) -> None:
        self.entries: list[Entry] = []
        self._random = random.Random(seed)
        self._trouble = trouble
        self._answers: dict[str, Answer] = {}

    def authorize(self, key: str, request: Authorization) -> Answer:
        """Hold money."""

        def act() -> Answer:
            if "decline_authorize" in request.token:
                return Declined("declined", "the card was declined")
            entry = Entry(f"h{len(self.entries)}", request.reference, request.amount, request.currency, request.token)
            self.entries.append(entry)
            return Succeeded(entry.hold)

        return self._once(key, act)

    def change(self, kind: str, key: str, hold: str) -> Answer:
        """Capture, void or refund."""
        entry = next((e for e in self.entries if e.hold == hold), None)

        def act() -> Answer:
            if entry is None:
                return Declined("no_such_hold", "unknown")
            if f"refuse_{kind}" in entry.token:
                return Declined("refused", f"the {kind} was refused")
            return _change(entry, kind)

        return self._once(key, act)

    def look_up(self, reference: str) -> LookUp:
        """The payment of a reference."""
        if self._random.random() < self._trouble:
            return Unavailable("busy")
        found = [e for e in self.entries if e.reference == reference]
        if not found:
            return NotFound(reference)
        e = found[-1]
        return PaymentState(e.hold, e.reference, e.status, e.amount, e.currency, e.captured, e.refunded)

    def _once(self, key: str, act: Callable[[], Answer]) -> Answer:
        fate = self._random.random()
        if fate < self._trouble / 3:
            return Unavailable("busy")
        if fate < self._trouble * 2 / 3:
            return Unknown("timed out before")
        if key not in self._answers:
            self._answers[key] = act()
        return Unknown("timed out after") if fate < self._trouble else self._answers[key]


def _change(entry: Entry, kind: str) -> Answer:
    wanted: dict[str, tuple[PaymentStatus, PaymentStatus]] = {
        "capture": ("authorized", "captured"),
        "void": ("authorized", "voided"),
        "refund": ("captured", "refunded"),
    }
    before, after = wanted[kind]
    if entry.status != before:
        return Declined("wrong_state", f"the payment is {entry.status}")
    entry.status = after
    entry.captured = entry.amount if kind == "capture" else entry.captured
    entry.refunded = entry.amount if kind == "refund" else entry.refunded
    return Succeeded(entry.hold)
