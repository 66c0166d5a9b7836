"""What a Stripe-like gateway's HTTP replies mean."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

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

STATE_CODES: Final = frozenset({"payment_intent_unexpected_state", "charge_expired_for_capture", "charge_already_refunded"})
"""Codes of HTTP 400 that say where the payment stands: an answer, not a mistake in the request."""
_HOLDS_MONEY: Final[tuple[PaymentStatus, ...]] = ("captured", "authorized", "refunded", "voided", "lapsed", "declined")
"""Which of several payments under one reference matters most."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body; empty where it is no JSON object."""
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return body if isinstance(body, dict) else {}

    def error(self) -> tuple[str, str]:
        """The code and the message of an error."""
        error = self.json().get("error")
        if not isinstance(error, dict):
            return f"http_{self.status}", f"the gateway answered HTTP {self.status}"
        return str(error.get("code") or error.get("type")), str(error.get("message") or f"HTTP {self.status}")


def answer(reply: Reply, hold_field: str) -> Answer:
    """What the reply to an operation means; ``hold_field`` is the field of a success that names the payment."""
    if reply.status == 200:
        hold = reply.json().get(hold_field)
        if isinstance(hold, str) and hold:
            return Succeeded(hold, replayed=reply.headers.get("Idempotent-Replayed") == "true")
        return Unknown("the gateway's success cannot be read", code="unreadable")
    code, message = reply.error()
    if reply.status == 402 or (reply.status == 400 and code in STATE_CODES):
        return Declined(code, message)
    if reply.status in (429, 503):
        return Unavailable(message, _seconds(reply.headers.get("Retry-After")), code)
    if reply.status == 409:
        return Unknown(message, code)
    if reply.status >= 500:
        return Unknown(message, code, key_spent=reply.status == 500)
    return Refused(code, message)


def look_up(reference: str, reply: Reply) -> LookUp:
    """What the reply to a look-up means."""
    code, message = reply.error()
    if reply.status == 429 or reply.status >= 500:
        return Unavailable(message, _seconds(reply.headers.get("Retry-After")), code)
    if reply.status != 200:
        return Refused(code, message)
    try:
        found = [_state(payment) for payment in reply.json()["data"]]
    except (KeyError, TypeError, ValueError) as error:
        return Unavailable(f"the gateway's list of payments cannot be read: {error!r}", code="unreadable")
    if not found:
        return NotFound(reference)
    first = min(found, key=lambda state: _HOLDS_MONEY.index(state.status))
    return replace(first, others=len(found) - 1)


def _state(payment: dict[str, Any]) -> PaymentState:
    return PaymentState(
        hold=str(payment["id"]),
        reference=str(payment["reference"]),
        status=_status(payment),
        amount=int(payment["amount"]),
        currency=str(payment["currency"]),
        captured=int(payment["amount_received"]),
        refunded=int(payment["amount_refunded"]),
    )


def _status(payment: dict[str, Any]) -> PaymentStatus:
    match payment["status"]:
        case "requires_capture":
            return "authorized"
        case "succeeded":
            return "refunded" if payment["amount_refunded"] >= payment["amount_received"] else "captured"
        case "canceled":
            return "lapsed" if payment.get("cancellation_reason") == "automatic" else "voided"
        case "requires_payment_method":
            return "declined"
        case other:
            raise ValueError(f"a payment has the status {other!r}")


def _seconds(text: str | None) -> float | None:
    """The seconds of a Retry-After; dates are left to our own backoff."""
    return float(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else None
