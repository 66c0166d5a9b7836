"""What the sandbox says: Stripe's JSON for payments and errors, and plain rows for the audit."""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from devstack.sandbox.intents import Intent, RefusalError, Status

_STRIPE_STATUS: Final[dict[Status, str]] = {
    "authorized": "requires_capture",
    "captured": "succeeded",
    "refunded": "succeeded",
    "voided": "canceled",
    "expired": "canceled",
    "declined": "requires_payment_method",
    "processing": "processing",
    "action_required": "requires_action",
}
_CANCELED_BECAUSE: Final[dict[Status, str]] = {"voided": "requested_by_customer", "expired": "automatic"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer: status, JSON body (``page``: HTML instead), and the headers Retry-After and Location, where they make
    sense.
    """

    status: int
    body: bytes
    retry_after: int | str | None = None
    page: bool = False
    location: str | None = None


def payment(intent: Intent, now: float) -> dict[str, Any]:
    """A payment as Stripe shows a PaymentIntent; ``reference`` is ours."""
    intent = intent.at(now)
    status = intent.status(now)
    return {
        "id": intent.id,
        "object": "payment_intent",
        "reference": intent.reference,
        "amount": intent.amount,
        "amount_capturable": intent.capturable if status == "authorized" else 0,
        "amount_received": intent.captured,
        "amount_refunded": intent.refunded,
        "amount_refund_pending": intent.pending,
        "refund_failed": intent.refund_failed,
        "currency": intent.currency,
        "status": _STRIPE_STATUS[status],
        "cancellation_reason": _CANCELED_BECAUSE.get(status),
        "last_payment_error": intent.declined,
        "description": intent.description,
        "created": int(intent.created),
    }


def succeeded(intent: Intent, now: float) -> Answer:
    """The answer to a call that took effect."""
    return Answer(200, orjson.dumps(payment(intent, now)))


def refund(refund_id: str, intent: Intent, amount: int, status: str = "succeeded") -> Answer:
    """The answer to a refund."""
    body = {
        "id": refund_id,
        "object": "refund",
        "payment_intent": intent.id,
        "reference": intent.reference,
        "amount": amount,
        "currency": intent.currency,
        "status": status,
    }
    return Answer(200, orjson.dumps(body))


def page(status: int) -> Answer:
    """What a proxy says in the gateway's place."""
    return Answer(status, f"<html><body><h1>{status}</h1></body></html>".encode(), page=True)


def error(status: int, kind: str, code: str, message: str, retry_after: int | None = None) -> Answer:
    """An error as Stripe writes it: a type and a code for programs, a sentence for people."""
    body = {"error": {"type": kind, "code": code, "message": message}}
    return Answer(status, orjson.dumps(body), retry_after)


def refused(refusal: RefusalError) -> Answer:
    """The answer to a call that the rules forbid."""
    return error(refusal.status, refusal.kind, refusal.code, refusal.message)


def ledger_row(seq: int, charges: int, intent: Intent, now: float) -> dict[str, Any]:
    """A payment for the audit. All amounts are minor units; times are seconds since 1970.

    ``authorized`` is what was ever held and ``held`` what still is; ``charges`` counts the payments under the same
    reference that ever held money (more than 1: charged twice).
    """
    intent = intent.at(now)
    status = intent.status(now)
    return {
        "seq": seq,
        "id": intent.id,
        "reference": intent.reference,
        "amount": intent.amount,
        "currency": intent.currency,
        "authorized": 0 if intent.declined is not None or intent.challenged else intent.capturable,
        "held": intent.capturable if status in ("authorized", "processing") else 0,
        "captured": intent.captured,
        "refunded": intent.refunded,
        "voided": intent.capturable if status == "voided" and not intent.challenged else 0,
        "status": status,
        "charges": charges,
        "created": intent.created,
        "updated": intent.updated,
        "expires_at": intent.expires_at,
    }
