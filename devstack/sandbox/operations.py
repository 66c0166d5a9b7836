"""Performs a call on the ledger: first what its token or the faults want to go wrong, then the rules.

Runs inside the writer's transaction (:mod:`devstack.sandbox.commits`): all that it reads and writes is one commit.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from devstack.sandbox import answers
from devstack.sandbox.answers import Answer
from devstack.sandbox.calls import Authorize, Call, Capture, Refund
from devstack.sandbox.intents import Intent, RefusalError
from devstack.sandbox.ledger import Ledger, StoredAnswer
from devstack.sandbox.tokens import DECLINES, Behaviour, Kind

ATTEMPTS: Final = "attempt"
"""What requests that left no stored answer are counted under, per key: faults by rate are drawn anew for each."""
ODD: Final[frozenset[Kind]] = frozenset({"soft_decline", "foreign", "challenge", "processing", "part", "pending", "failing"})
"""Behaviours of a call that takes effect, but not as its client would have it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer, and whether it is kept back until the client has given up."""

    answer: Answer
    hangs: bool = False


def perform(
    ledger: Ledger, call: Call, behaviours: Sequence[Behaviour], reference: str, now: float, hold_seconds: float
) -> Outcome:
    """Do the call once. ``behaviours`` concern this operation and are in order; ``now`` is seconds since 1970."""
    hangs, page, odd = False, None, dict[Kind, Behaviour]()
    answer: Answer | None = None
    for behaviour in behaviours:
        if behaviour.kind in ("approve", "slow") or not _strikes(ledger, reference, behaviour):
            continue
        if behaviour.kind == "timeout_after":
            hangs = True
        elif behaviour.kind == "answer":
            page = answers.page(behaviour.status)
        elif behaviour.kind in ODD:
            odd[behaviour.kind] = behaviour
        elif (early := _turned_away(behaviour)) is not None:
            ledger.count_fault(call.key, ATTEMPTS)
            return Outcome(early, hangs=behaviour.kind == "timeout_before")
        else:
            answer = _failed(ledger, call, behaviour, now)
            break
    if answer is None:
        answer = _by_the_rules(ledger, call, odd, now, hold_seconds)
    ledger.keep_answer(call.key, StoredAnswer(call.fingerprint, answer.status, answer.body), now)
    return Outcome(page or answer, hangs)


def _strikes(ledger: Ledger, reference: str, behaviour: Behaviour) -> bool:
    """Whether a behaviour happens this time; it is counted if it happens only so often."""
    if behaviour.count is None:
        return True
    if ledger.fault_count(reference, behaviour.name) >= behaviour.count:
        return False
    ledger.count_fault(reference, behaviour.name)
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
        case "page":
            return answers.page(behaviour.status)
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


def _by_the_rules(ledger: Ledger, call: Call, odd: Mapping[Kind, Behaviour], now: float, hold_seconds: float) -> Answer:
    if isinstance(call.body, Authorize):
        return _authorize(ledger, call.body, odd, now, now + hold_seconds)
    found = ledger.find(call.authorization_id)
    if found is None:
        return unknown_payment(call.authorization_id)
    before = found.at(now)
    try:
        if isinstance(call.body, Refund):
            return _refund(ledger, call.body, before, odd, now)
        if isinstance(call.body, Capture):
            part = odd.get("part")
            after = before.capture(part.amount if part else call.body.amount_to_capture, now)
        else:
            after = before.void(now)
    except RefusalError as refusal:
        return answers.refused(refusal)
    ledger.update(after)
    return answers.succeeded(after, now)


def _authorize(ledger: Ledger, body: Authorize, odd: Mapping[Kind, Behaviour], now: float, expires_at: float) -> Answer:
    intent = _new_intent(body, now, expires_at)
    if "foreign" in odd:
        other = "JPY" if body.currency != "JPY" else "EUR"
        ledger.add(replace(intent, id=_new_id("pi"), currency=other))
    if "soft_decline" in odd:
        intent = replace(intent, expires_at=now, declined=odd["soft_decline"].reason)
    if "challenge" in odd:
        intent = replace(intent, challenged=True)
    if "processing" in odd:
        intent = replace(intent, ready=now + odd["processing"].seconds)
    if "part" in odd:
        intent = replace(intent, held=min(odd["part"].amount, body.amount))
    ledger.add(intent)
    return answers.succeeded(intent, now)


def _refund(ledger: Ledger, body: Refund, before: Intent, odd: Mapping[Kind, Behaviour], now: float) -> Answer:
    slow = odd.get("failing") or odd.get("pending")
    if slow is None:
        after = before.refund(body.amount, now)
        ledger.update(after)
        return answers.refund(_new_id("re"), after, after.refunded - before.refunded)
    begun = before.begin_refund(body.amount, now, slow.seconds, failing=slow.kind == "failing")
    after = begun.at(now)
    ledger.update(after)
    status = "failed" if after.refund_failed else "pending" if after.pending else "succeeded"
    return answers.refund(_new_id("re"), after, begun.pending, status)


def unknown_payment(authorization_id: str) -> Answer:
    """The answer to a call about a payment that is not in the ledger."""
    return answers.error(404, "invalid_request_error", "resource_missing", f"There is no payment {authorization_id}.")


def _new_intent(body: Authorize, now: float, expires_at: float, declined: str | None = None) -> Intent:
    return Intent(
        id=_new_id("pi"),
        reference=body.reference,
        token=body.payment_method,
        description=body.description,
        amount=body.amount,
        currency=body.currency,
        created=now,
        expires_at=expires_at,
        updated=now,
        declined=declined,
    )


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
