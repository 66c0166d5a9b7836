"""What a Stripe-like gateway's HTTP replies mean: only the state the gateway names counts, whatever the status."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

from services.payment.gateways.port import (
    Answer,
    Authorization,
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
from shared.contract.text import is_plain, redacted

MAX_CODE, MAX_MESSAGE = 100, 300
"""Characters that are kept of what the gateway says."""
STATE_CODES: Final = frozenset({"payment_intent_unexpected_state", "charge_expired_for_capture", "charge_already_refunded"})
"""Codes of HTTP 400 that say where the payment stands: an answer, not a mistake in the request."""
MISSING: Final = "resource_missing"
"""The code of HTTP 404 that is about the payment; any other says that this is not the gateway's address."""
ABOUT_US: Final = frozenset({401, 403, 404, 405, 407, 421, 429, 503})
"""Statuses that, like every redirect, say nothing about the payment but about us or the way to the gateway."""
AUTHENTICATE: Final = "Your bank wants you to confirm this payment, which is not possible here; try another card."
NOT_MADE: Final = "The payment could not be made; try again or choose another way to pay."
_STATUSES: Final[Mapping[str, PaymentStatus]] = {
    "requires_capture": "authorized",
    "requires_action": "action_required",
    "requires_payment_method": "declined",
    "processing": "processing",
    "requires_confirmation": "processing",
}


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

    @property
    def from_gateway(self) -> bool:
        """Whether it is an error as the gateway writes it, and not the page of somebody on the way."""
        return isinstance(self.json().get("error"), dict)

    def error(self) -> tuple[str, str]:
        """The code and the message of an error, as an event and a database take them."""
        error = self.json().get("error")
        if not isinstance(error, dict):
            return f"http_{self.status}", f"the gateway answered HTTP {self.status}"
        code, message = error.get("code") or error.get("type"), error.get("message") or f"HTTP {self.status}"
        return redacted(str(code), MAX_CODE), redacted(str(message), MAX_MESSAGE)

    def retry_after(self) -> float | None:
        """Seconds to wait by the header Retry-After, which names them or a date; nothing where it cannot be read."""
        said = self.headers.get("Retry-After", "")
        if said.isascii() and said.isdigit():
            return float(said) if len(said) < 10 else 1e9
        until, now = _date(said), _date(self.headers.get("Date", "")) or datetime.now(UTC)
        return max(0.0, (until - now).total_seconds()) if until else None


def authorized(request: Authorization, reply: Reply) -> Answer:
    """What the reply to an authorization means."""
    found = _payment(reply)
    if not isinstance(found, PaymentState):
        return found
    if found.reference != request.reference:
        return Unknown("the gateway answered about another payment", code="other_payment")
    if found.status == "authorized":
        if found.currency != request.currency:
            return Unusable(found.authorization_id, "other_currency", NOT_MADE)
        if (found.amount, found.held) != (request.amount, None):
            return Unusable(found.authorization_id, "other_amount", NOT_MADE)
        return Succeeded(found.authorization_id, _replayed(reply))
    if found.status == "action_required":
        return Unusable(found.authorization_id, "authentication_required", AUTHENTICATE)
    if found.status == "captured":
        return Unusable(found.authorization_id, "captured_unasked", NOT_MADE)
    if found.status == "processing":
        return _pending()
    return Declined(*_why_declined(reply.json(), found.status))


def captured(authorization_id: str, amount: int, reply: Reply) -> Answer:
    """What the reply to a capture means."""
    found = _payment(reply)
    if not isinstance(found, PaymentState):
        return found
    if found.authorization_id == authorization_id and found.status == "captured":
        if found.captured == amount:
            return Succeeded(authorization_id, _replayed(reply))
        return Unusable(authorization_id, "other_amount", "The payment could not be completed.")
    return _pending() if found.status == "processing" else _not_done(found)


def voided(authorization_id: str, reply: Reply) -> Answer:
    """What the reply to a void means."""
    found = _payment(reply)
    if not isinstance(found, PaymentState):
        return found
    if found.authorization_id == authorization_id and found.status in ("voided", "expired"):
        return Succeeded(authorization_id, _replayed(reply))
    return _pending() if found.status == "processing" else _not_done(found)


def refunded(authorization_id: str, amount: int, reply: Reply) -> Answer:
    """What the reply to a refund means."""
    if reply.status != 200:
        return _failure(reply)
    refund = reply.json()
    status, code = refund.get("status"), refund.get("failure_reason")
    if refund.get("payment_intent") != authorization_id or refund.get("amount") != amount:
        return _unreadable()
    if status == "succeeded":
        return Succeeded(authorization_id, _replayed(reply))
    if status in ("failed", "canceled"):
        return Refused(redacted(str(code or f"refund_{status}"), MAX_CODE), f"the gateway says that the refund is {status}")
    return _pending()


def look_up(sought: Sought, reply: Reply) -> LookUp:
    """What the reply to a look-up means."""
    if reply.status != 200:
        failure = _failure(reply)
        if isinstance(failure, Unavailable | Refused):
            return failure
        code, message = reply.error()
        return Unavailable(message, reply.retry_after(), code)
    try:
        return sought.among([_state(payment) for payment in reply.json()["data"]])
    except (KeyError, TypeError, ValueError) as error:
        said = f"the gateway's list of payments cannot be read: {error!r}"
        return Unavailable(redacted(said, MAX_MESSAGE), code="unreadable")


def _payment(reply: Reply) -> PaymentState | Declined | Unavailable | Unknown | Refused:
    """The payment that a success names, or what else the reply means."""
    if reply.status != 200:
        return _failure(reply)
    try:
        return _state(reply.json())
    except (KeyError, TypeError, ValueError):
        return _unreadable()


def _failure(reply: Reply) -> Declined | Unavailable | Unknown | Refused:
    """What a reply means that names no state. Whatever may have taken effect is unknown."""
    code, message = reply.error()
    status, certain, wait = reply.status, reply.from_gateway, reply.retry_after()
    if certain and (status == 402 or (status == 400 and code in STATE_CODES)):
        return Declined(code, message)
    if certain and status == 404 and code == MISSING:
        return Refused(code, message)
    if status in ABOUT_US or 300 <= status < 400:
        return Unavailable(message, wait, code, uncertain=not certain)
    if certain and 400 <= status < 500 and status not in (408, 409, 425):
        return Refused(code, message)
    return Unknown(message, code, key_spent=certain and status == 500, retry_after=wait)


def _unreadable() -> Unknown:
    return Unknown("the gateway's success cannot be read", code="unreadable")


def _pending() -> Unknown:
    return Unknown("the gateway does not know yet", code="pending", pending=True)


def _not_done(found: PaymentState) -> Unknown:
    """The gateway says that all is well and names a state in which it is not; it would only say so again."""
    return Unknown(f"the gateway says that the payment is {found.status}", code="not_done", key_spent=True)


def _replayed(reply: Reply) -> bool:
    return reply.headers.get("Idempotent-Replayed") == "true"


def _why_declined(payment: Mapping[str, Any], status: PaymentStatus) -> tuple[str, str]:
    """The code and the sentence of a payment that holds no money."""
    why = payment.get("last_payment_error")
    if isinstance(why, dict):
        code, message = str(why.get("code") or "declined"), str(why.get("message") or NOT_MADE)
        return redacted(code, MAX_CODE), redacted(message, MAX_MESSAGE)
    return redacted(str(why), MAX_CODE) if why else f"authorization_{status}", NOT_MADE


def _state(payment: dict[str, Any]) -> PaymentState:
    amount, held = int(payment["amount"]), int(payment["amount_capturable"])
    status = _status(payment)
    return PaymentState(
        authorization_id=_authorization_id(payment["id"]),
        reference=str(payment["reference"]),
        status=status,
        amount=amount,
        currency=str(payment["currency"]).upper(),
        captured=int(payment["amount_received"]),
        refunded=int(payment["amount_refunded"]),
        held=held if status == "authorized" and held != amount else None,
        refunding=int(payment.get("amount_refund_pending") or 0),
        refund_failed=bool(payment.get("refund_failed")),
    )


def _authorization_id(found: object) -> str:
    """The gateway's name of a payment."""
    if not isinstance(found, str) or not 0 < len(found) <= MAX_CODE or not is_plain(found):
        raise ValueError("a payment has no name that can be used")
    return found


def _status(payment: dict[str, Any]) -> PaymentStatus:
    match payment["status"]:
        case "succeeded":
            return "refunded" if payment["amount_refunded"] >= payment["amount_received"] else "captured"
        case "canceled":
            return "expired" if payment.get("cancellation_reason") == "automatic" else "voided"
        case other:
            if other not in _STATUSES:
                raise ValueError(f"a payment has the status {other!r}")
            return _STATUSES[other]


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
