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
from shared.contract.text import is_plain, plain

MAX_CODE, MAX_MESSAGE = 100, 300
"""Characters that are kept of what the gateway says."""
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
        """The code and the message of an error, as an event and a database take them."""
        error = self.json().get("error")
        if not isinstance(error, dict):
            return f"http_{self.status}", f"the gateway answered HTTP {self.status}"
        code, message = error.get("code") or error.get("type"), error.get("message") or f"HTTP {self.status}"
        return plain(str(code), MAX_CODE), plain(str(message), MAX_MESSAGE)


def answer(reply: Reply, hold_field: str) -> Answer:
    """What the reply to an operation means; ``hold_field`` is the field of a success that names the payment."""
    if reply.status == 200:
        try:
            return Succeeded(_hold(reply.json()[hold_field]), replayed=reply.headers.get("Idempotent-Replayed") == "true")
        except (KeyError, ValueError):
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
        hold=_hold(payment["id"]),
        reference=str(payment["reference"]),
        status=_status(payment),
        amount=int(payment["amount"]),
        currency=str(payment["currency"]),
        captured=int(payment["amount_received"]),
        refunded=int(payment["amount_refunded"]),
    )


def _hold(found: object) -> str:
    """The gateway's name of a payment."""
    if not isinstance(found, str) or not 0 < len(found) <= MAX_CODE or not is_plain(found):
        raise ValueError("a payment has no name that can be used")
    return found


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
