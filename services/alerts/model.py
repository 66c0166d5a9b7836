"""A failure as an alert: what it is known by, what happened, and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pydantic_core

from shared.money import EXPONENTS, display

ERRORS: Final = "__connect.errors."
COMPENSATIONS: Final = {"VoidFailed": "void", "RefundFailed": "refund"}
SETTLED_BY: Final = {"PaymentVoided": "void", "PaymentRefunded": "refund"}
MAX_TEXT: Final = 300


@dataclass(frozen=True)
class DeadLetter:
    """A record of ``checkout.dlq`` (or a failed compensation of ``payment.events``), byte for byte."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: Mapping[str, bytes]

    def text(self, name: str) -> str:
        """A header as text; whatever its bytes are, never too long and never an error."""
        found = self.headers.get(name)
        words = found.decode("utf-8", "backslashreplace") if isinstance(found, bytes) else ""
        return "".join(c if c.isprintable() else "�" for c in words[:MAX_TEXT])


@dataclass(frozen=True)
class Failure:
    """What a dead letter tells. ``identity``: the same for the same failure, however often it is seen.

    ``occurrence``: the same for the same report of it, whichever way it came.
    """

    identity: str
    occurrence: str
    kind: str
    severity: str
    title: str
    text: str
    service: str
    checkout_id: str | None


def compensation_identity(kind: str, checkout_id: str) -> str:
    """The identity of money that is stuck: one for each checkout, however often its void or refund fails."""
    return f"{kind}:{checkout_id}"


def failure(letter: DeadLetter) -> Failure:
    """The failure a dead letter reports. Nothing in it can make this fail."""
    event = letter.text("ce_type").removeprefix("quadrille.").removesuffix(".v1")
    checkout_id = letter.text("ce_subject")
    if event in COMPENSATIONS and checkout_id:
        return _compensation(letter, event, checkout_id)
    return _unhandled(letter)


def _compensation(letter: DeadLetter, event: str, checkout_id: str) -> Failure:
    kind = COMPENSATIONS[event]
    facts = _facts(letter.value)
    amount = _amount(facts)
    stuck = "is still held" if kind == "void" else "was not given back"
    return Failure(
        identity=compensation_identity(kind, checkout_id),
        occurrence=f"event:{letter.text('ce_id')}",
        kind=f"{kind}_failed",
        severity="critical",
        title=f"{amount} of a customer {stuck} (checkout {checkout_id})",
        text=(
            f"The {kind} was given up after {facts.get('attempts', '?')} attempts: {_clip(facts.get('reason', ''))}."
            f" Gateway reference {_clip(facts.get('gateway_reference', checkout_id))}, hold {_clip(facts.get('hold', '?'))}."
            f" Try it again with Retry{kind.capitalize()}, or settle it at the gateway by hand and say so with"
            f" Mark{'Voided' if kind == 'void' else 'Refunded'}."
        ),
        service="payment",
        checkout_id=checkout_id,
    )


def _unhandled(letter: DeadLetter) -> Failure:
    service = letter.text(f"{ERRORS}quadrille.service") or "unknown"
    origin = "/".join(letter.text(f"{ERRORS}{part}") or "?" for part in ("topic", "partition", "offset"))
    message_id = letter.text("ce_id")
    known_by = f"{letter.text('ce_source')}/{message_id}" if message_id else origin
    if known_by == "?/?/?":
        known_by = f"{letter.topic}/{letter.partition}/{letter.offset}"
    stage = letter.text(f"{ERRORS}stage") or "unknown"
    message = letter.text("ce_type") or "a record"
    error = letter.text(f"{ERRORS}exception.message") or "no reason given"
    reading = stage == "read"
    return Failure(
        identity=f"{service}:{known_by}",
        occurrence=f"record:{letter.topic}/{letter.partition}/{letter.offset}",
        kind="unreadable" if reading else "unhandled",
        severity="warning" if reading else "critical",
        title=f"{service} could not {'read' if reading else 'handle'} {message} from {origin}",
        text=(
            f"{letter.text(f'{ERRORS}exception.class.name') or 'Error'} at {stage}: {error}."
            f" {'Mend its writer' if reading else 'Mend the service'}, then publish the record of checkout.dlq again."
        ),
        service=service,
        checkout_id=letter.text("ce_subject") or None,
    )


def _facts(value: bytes | None) -> dict[str, object]:
    try:
        facts = pydantic_core.from_json(value or b"")
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def _amount(facts: Mapping[str, object]) -> str:
    amount, currency = facts.get("amount"), facts.get("currency")
    if isinstance(amount, int) and isinstance(currency, str) and currency in EXPONENTS:
        return display(amount, currency)
    return "Money"


def _clip(value: object) -> str:
    return str(value)[:MAX_TEXT]
