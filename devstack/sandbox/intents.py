"""The rules of a payment intent: what may follow what. Plain values, no I/O."""

from dataclasses import dataclass, replace
from typing import Literal

Status = Literal["authorized", "captured", "refunded", "voided", "expired", "declined", "processing", "action_required"]


class RefusalError(Exception):
    """The gateway answers no. ``status`` is the HTTP status; ``kind`` and ``code`` are Stripe's where it has them."""

    def __init__(self, status: int, kind: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind, self.code, self.message = status, kind, code, message


@dataclass(frozen=True, slots=True)
class Intent:
    """One payment at the gateway. Amounts are minor units of ``currency``; times are seconds since 1970."""

    id: str
    reference: str
    token: str
    description: str
    amount: int
    currency: str
    created: float
    expires_at: float
    updated: float
    captured: int = 0
    refunded: int = 0
    voided: bool = False
    declined: str | None = None
    """Why the card was declined, if it was: nothing was ever held."""
    held: int | None = None
    """What can be captured, where it is a part of the amount."""
    ready: float = 0.0
    """Until then it is processing."""
    challenged: bool = False
    """Whether the customer has to confirm it: nothing is held until then."""
    pending: int = 0
    """What is on its way back, until ``settles``; if it is ``failing``, it never arrives."""
    settles: float = 0.0
    failing: bool = False
    refund_failed: bool = False

    @property
    def capturable(self) -> int:
        """What a capture can take at most."""
        return self.amount if self.held is None else self.held

    def at(self, now: float) -> "Intent":
        """The payment when what was pending is known, if that is by now."""
        if not self.pending or now < self.settles:
            return self
        if self.failing:
            return replace(self, pending=0, refund_failed=True)
        return replace(self, pending=0, refunded=self.refunded + self.pending)

    def status(self, now: float) -> Status:
        """Where the payment stands; an authorization that was never captured expires by itself."""
        if self.declined is not None:
            return "declined"
        if self.voided:
            return "voided"
        if self.captured:
            return "refunded" if self.at(now).refunded == self.captured else "captured"
        if self.challenged:
            return "action_required"
        if now < self.ready:
            return "processing"
        return "expired" if self.expires_at <= now else "authorized"

    def capture(self, amount: int | None, now: float) -> "Intent":
        """Take ``amount`` (all, if None) of what is held; the rest is released.

        Raises :class:`RefusalError` unless the authorization stands and covers the amount.
        """
        if self.status(now) == "expired":
            raise _refusal("charge_expired_for_capture", "The authorization expired before it was captured.")
        self._must_be("authorized", "captured", now)
        taken = self.capturable if amount is None else amount
        if taken > self.capturable:
            raise _refusal("amount_too_large", f"{taken} is more than the {self.capturable} that are held.")
        return replace(self, captured=taken, updated=now)

    def void(self, now: float) -> "Intent":
        """Release what is held. Raises :class:`RefusalError` unless the authorization stands and nothing was captured."""
        if self.status(now) != "action_required":
            self._must_be("authorized", "canceled", now)
        return replace(self, voided=True, updated=now)

    def refund(self, amount: int | None, now: float) -> "Intent":
        """Give back ``amount`` (all that is left, if None). Raises :class:`RefusalError` beyond what was captured."""
        status = self.status(now)
        if status == "refunded":
            raise _refusal("charge_already_refunded", "All that was captured has been refunded.")
        self._must_be("captured", "refunded", now)
        left = self.captured - self.refunded - self.pending
        given = left if amount is None else amount
        if given > left:
            raise _refusal("amount_too_large", f"{given} is more than the {left} that can still be refunded.")
        return replace(self, refunded=self.refunded + given, refund_failed=False, updated=now)

    def begin_refund(self, amount: int | None, now: float, seconds: float, *, failing: bool) -> "Intent":
        """Give back ``amount`` in so many seconds, or not at all. Raises as :meth:`refund`."""
        given = self.refund(amount, now).refunded - self.refunded
        return replace(self, pending=given, settles=now + seconds, failing=failing, refund_failed=False, updated=now)

    def _must_be(self, needed: Status, wanted: str, now: float) -> None:
        status = self.status(now)
        if status != needed:
            raise _refusal(
                "payment_intent_unexpected_state",
                f"The payment is {status}; only one that is {needed} can be {wanted}.",
            )


def _refusal(code: str, message: str) -> RefusalError:
    return RefusalError(400, "invalid_request_error", code, message)
