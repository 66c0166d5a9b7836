"""Performs a call on the ledger: first what its token or the faults want to go wrong, then the rules.

Runs inside the writer's transaction (:mod:`sandbox.commits`): all that it reads and writes is one commit.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sandbox import answers
from sandbox.answers import Answer
from sandbox.calls import Authorize, Call, Capture, Refund
from sandbox.intents import Intent, RefusalError
from sandbox.ledger import Ledger, StoredAnswer
from sandbox.tokens import DECLINES, Behaviour

ATTEMPTS: Final = "attempt"
"""What requests that left no stored answer are counted under, per key: faults by rate are drawn anew for each."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer, and whether it is kept back until the client has given up."""

    answer: Answer
    hangs: bool = False


def perform(
    ledger: Ledger, call: Call, behaviours: Sequence[Behaviour], reference: str, now: float, hold_seconds: float
) -> Outcome:
    """Do the call once. ``behaviours`` concern this operation and are in order; ``now`` is seconds since 1970."""
    hangs = False
    answer: Answer | None = None
    for behaviour in behaviours:
        if behaviour.kind in ("approve", "slow") or not _strikes(ledger, reference, behaviour):
            continue
        if behaviour.kind == "timeout_after":
            hangs = True
        elif (early := _turned_away(behaviour)) is not None:
            ledger.strike(call.key, ATTEMPTS)
            return Outcome(early, hangs=behaviour.kind == "timeout_before")
        else:
            answer = _failed(ledger, call, behaviour, now)
            break
    if answer is None:
        answer = _by_the_rules(ledger, call, now, hold_seconds)
    ledger.keep_answer(call.key, StoredAnswer(call.fingerprint, answer.status, answer.body), now)
    return Outcome(answer, hangs)


def _strikes(ledger: Ledger, reference: str, behaviour: Behaviour) -> bool:
    """Whether a behaviour happens this time; it is counted if it happens only so often."""
    if behaviour.count is None:
        return True
    if ledger.strikes(reference, behaviour.name) >= behaviour.count:
        return False
    ledger.strike(reference, behaviour.name)
    return True


def _turned_away(behaviour: Behaviour) -> Answer | None:
    """The answer of a gateway that did not begin to work on the call: it is not stored under its key."""
    match behaviour.kind:
        case "rate_limit":
            return answers.error(429, "rate_limit_error", "rate_limit", "Too many requests; slow down.", 1)
        case "unavailable":
            return answers.error(503, "api_error", "unavailable", "The gateway is not available; try again.", 1)
        case "timeout_before":
            return answers.error(504, "api_error", "timeout", "The gateway did not answer in time.")
        case _:
            return None


def _failed(ledger: Ledger, call: Call, behaviour: Behaviour, now: float) -> Answer:
    """The answer of a call that fails on purpose: it is stored, and the payment stays as it is."""
    if behaviour.kind == "error":
        return answers.error(500, "api_error", "internal_error", "Something went wrong on our side; nothing was done.")
    if behaviour.kind == "refuse":
        message = f"The bank refuses to {behaviour.operation} this payment."
        return answers.error(402, "card_error", f"{behaviour.operation}_refused", message)
    if isinstance(call.body, Authorize):
        ledger.add(_new_intent(call.body, now, now, declined=behaviour.reason))
    return answers.error(402, "card_error", behaviour.reason, DECLINES[behaviour.reason])


def _by_the_rules(ledger: Ledger, call: Call, now: float, hold_seconds: float) -> Answer:
    if isinstance(call.body, Authorize):
        intent = _new_intent(call.body, now, now + hold_seconds)
        ledger.add(intent)
        return answers.succeeded(intent, now)
    before = ledger.find(call.hold)
    if before is None:
        return unknown_payment(call.hold)
    try:
        if isinstance(call.body, Refund):
            after = before.refund(call.body.amount, now)
        elif isinstance(call.body, Capture):
            after = before.capture(call.body.amount_to_capture, now)
        else:
            after = before.void(now)
    except RefusalError as refusal:
        return answers.refused(refusal)
    ledger.update(after)
    if isinstance(call.body, Refund):
        return answers.refund(_new_id("re"), after, after.refunded - before.refunded)
    return answers.succeeded(after, now)


def unknown_payment(hold: str) -> Answer:
    """The answer to a call about a payment that is not in the ledger."""
    return answers.error(404, "invalid_request_error", "resource_missing", f"There is no payment {hold}.")


def _new_intent(body: Authorize, now: float, lapses: float, declined: str | None = None) -> Intent:
    return Intent(
        id=_new_id("pi"),
        reference=body.reference,
        token=body.payment_method,
        description=body.description,
        amount=body.amount,
        currency=body.currency,
        created=now,
        lapses=lapses,
        updated=now,
        declined=declined,
    )


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
