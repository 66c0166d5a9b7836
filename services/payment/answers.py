"""What an answer of the gateway means for a payment: rules only, no calls."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.payment.gateways.port import (
    Answer,
    Declined,
    LookUp,
    NotFound,
    PaymentStatus,
    Refused,
    Succeeded,
    Unavailable,
    Unknown,
    Unusable,
)
from services.payment.gateways.port import PaymentState as Found
from services.payment.model import MAX_BACKOFF, Kind, Payment, PaymentState, Policy
from shared.contract.payment import (
    CaptureFailed,
    ForeignPaymentFound,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RetriesNearlyExhausted,
    VoidFailed,
)

State = PaymentState
WARN_WAIT: Final = 60.0
"""Seconds; where a gateway asks for a longer wait, people are warned."""
GivenUp = PaymentDeclined | CaptureFailed | VoidFailed | RefundFailed
Outcome = (
    PaymentAuthorized
    | PaymentDeclined
    | PaymentCaptured
    | CaptureFailed
    | PaymentVoided
    | VoidFailed
    | PaymentRefunded
    | RefundFailed
    | RetriesNearlyExhausted
    | ForeignPaymentFound
)


@dataclass(frozen=True)
class GatewayAnswered:
    """The gateway's answer to request ``serial`` of a payment.

    ``again``: the same was perhaps asked before by a process that did not live to hear the answer, so what this answer
    says of itself ("nothing was done") does not hold for that request. ``in_trouble``: an alert already says that
    the gateway is in trouble, so there is no warning for this payment.
    """

    checkout_id: str
    serial: int
    answer: Answer | LookUp
    again: bool = False
    in_trouble: bool = False

    @property
    def id(self) -> str:
        """Names the answer as the cause of what follows from it."""
        return f"gateway/{self.checkout_id}/{self.serial}"


@dataclass(frozen=True)
class OperationTimedOut:
    """The time of request ``serial`` of a payment is over, and it is held back. ``again``: perhaps it was made before."""

    checkout_id: str
    serial: int
    again: bool = False

    @property
    def id(self) -> str:
        """Names it as the cause of what follows from it."""
        return f"time/{self.checkout_id}/{self.serial}"


@dataclass(frozen=True)
class AuthorizationAged:
    """The money of a payment is held for long, and nothing is under way."""

    checkout_id: str

    @property
    def id(self) -> str:
        """Names it as the cause of what follows from it."""
        return f"authorization/{self.checkout_id}"


def apply_answer(payment: Payment, answer: Answer | LookUp, policy: Policy, now: datetime) -> Iterator[Outcome]:
    """Go on from an answer: done, to be asked again, or given up."""
    operation = payment.operation
    assert operation is not None
    yield from foreign_payment(payment, answer)
    if operation.kind == "authorize" and operation.step == "call":
        payment.asked_at = now
    match answer:
        case Succeeded(authorization_id=authorization_id):
            payment.authorization_id = authorization_id
            yield from _complete(payment, policy, now)
        case Found():
            yield from _found(payment, answer, policy, now)
        case NotFound():
            yield from _not_found(payment, policy, now)
        case Unusable(authorization_id=authorization_id, code=code, message=message):
            payment.authorization_id = authorization_id
            yield from _unusable(payment, code, message, policy, now)
        case Declined(code=code, message=message):
            yield from _declined(payment, code, message, policy, now)
        case Unavailable(code=code, reason=reason, retry_after=wait):
            operation.uncertain |= answer.uncertain
            look_up = operation.step == "look_up"
            yield from _retry_later(payment, policy, now, code, reason, look_up=look_up, wait=wait)
        case Unknown(code=code, reason=reason, retry_after=wait):
            operation.uncertain, operation.key_spent = True, operation.key_spent or answer.key_spent
            operation.pending |= answer.pending
            yield from _retry_later(payment, policy, now, code, reason, wait=wait)
        case Refused(code=code, message=message):
            operation.attempts += 1
            operation.code, operation.reason = code, message
            yield from give_up(payment, now)


def foreign_payment(payment: Payment, answer: Answer | LookUp) -> Iterator[ForeignPaymentFound]:
    """Tell of a payment under our reference that is not ours, once."""
    if isinstance(answer, Found | NotFound) and (foreign := answer.foreign) and foreign.authorization_id != payment.foreign_id:
        payment.foreign_id = foreign.authorization_id
        yield ForeignPaymentFound(
            **event_fields(payment),
            gateway_reference=payment.gateway_reference,
            authorization_id=foreign.authorization_id,
            found_amount=foreign.amount,
            found_currency=foreign.currency,
        )


def _retry_later(
    payment: Payment,
    policy: Policy,
    now: datetime,
    code: str,
    reason: str,
    *,
    look_up: bool = True,
    wait: float | None = None,
    refused: bool = False,
) -> Iterator[Outcome]:
    """Ask again later. Warn where few attempts are left, and give up where none is."""
    operation = payment.operation
    assert operation is not None
    if payment.is_unwanted and not look_up:  # it was not done, and nobody wants it
        operation.code, operation.reason = code, reason
        yield from give_up(payment, now)
        return
    operation.by_hand &= not operation.pending  # no person waits for what the gateway has taken up and does not know yet
    if not payment.retry(policy, now, code, reason, look_up=look_up, wait=wait, refused=refused):
        yield from give_up(payment, now)
    elif not operation.warned and (
        operation.refusals == policy.warns_at_refusal or (wait or 0.0) > WARN_WAIT or operation.is_warning_due(policy, now)
    ):
        operation.warned = True
        left = (operation.gives_up_at - now).total_seconds() / MAX_BACKOFF
        yield RetriesNearlyExhausted(
            **event_fields(payment),
            operation=operation.kind,
            attempts=operation.attempts,
            allowed=policy.attempts if refused else operation.attempts + max(1, round(left)),
            next_attempt_at=payment.due_at or now,
            gives_up_at=operation.gives_up_at,
            code=code,
            reason=reason,
        )


def _complete(payment: Payment, policy: Policy, now: datetime) -> Iterator[Outcome]:
    assert payment.operation is not None
    match payment.operation.kind:
        case "authorize":
            payment.finish(State.AUTHORIZED)
            yield PaymentAuthorized(**event_fields(payment))
            if payment.unwanted:
                payment.begin("void", State.VOIDING, now)
            else:
                payment.schedule_expiry_warning(now, policy)
        case "capture":
            payment.finish(State.CAPTURED)
            yield PaymentCaptured(**event_fields(payment))
            if payment.unwanted:
                payment.begin("refund", State.REFUNDING, now)
        case "void":
            payment.finish(State.VOIDED)
            yield PaymentVoided(**event_fields(payment))
        case "refund":
            given = payment.operation.refund_amount(payment)
            payment.finish(State.REFUNDED)
            yield PaymentRefunded(**event_fields(payment) | {"amount": given})


_DONE: dict[Kind, tuple[PaymentStatus, ...]] = {
    "authorize": ("authorized", "captured"),
    "capture": ("captured",),
    "void": ("voided", "expired", "declined", "refunded"),
    "refund": ("refunded", "voided", "expired", "declined"),
}
"""Where a look-up finds the payment when the operation is done, or nothing is left to do."""
_NOT_MADE: Final = "the payment could not be made"


def _found(payment: Payment, found: Found, policy: Policy, now: datetime) -> Iterator[Outcome]:
    """Go on from where our payment stands."""
    assert payment.operation is not None
    kind = payment.operation.kind
    payment.authorization_id = found.authorization_id
    by_hand = payment.operation.by_hand
    if found.status == "processing":
        payment.operation.uncertain = payment.operation.pending = True
        yield from _retry_later(payment, policy, now, "pending", "the gateway does not know yet")
    elif kind in ("authorize", "capture") and (code := _not_as_asked(payment, found)):
        yield from _unusable(payment, code, _NOT_MADE, policy, now)
    elif found.status in _DONE[kind]:
        yield from _complete(payment, policy, now)
    elif kind == "void" and found.status == "captured":  # the capture had taken effect after all
        payment.begin("refund", State.REFUNDING, now, amount=found.captured - found.refunded, by_hand=by_hand)
    elif kind == "refund" and found.status == "captured":
        yield from _not_refunded(payment, found, policy, now)
    elif kind == "refund":
        payment.begin("void", State.VOIDING, now, by_hand=by_hand)
    elif kind in ("authorize", "capture") and found.status != "authorized":
        yield from _declined(payment, f"authorization_{found.status}", _NOT_MADE, policy, now)
    elif payment.is_unwanted:
        yield from _capture_failed(payment, "cancelled", "the order was cancelled", now, uncertain=True)
    else:
        payment.call(now)


def _not_as_asked(payment: Payment, found: Found) -> str | None:
    """What is wrong with a payment that holds or took money, or would: it was made, but not as it was asked for."""
    if found.status == "action_required":
        return "authentication_required"
    if found.status == "authorized" and (found.amount, found.held) != (payment.amount, None):
        return "other_amount"
    if found.status == "captured" and found.captured != payment.amount:
        return "other_amount"
    return None


def _not_refunded(payment: Payment, found: Found, policy: Policy, now: datetime) -> Iterator[Outcome]:
    """The gateway has the money still: the refund is on its way, came to nothing, or is to be asked for."""
    operation = payment.operation
    assert operation is not None
    if found.refunding:
        operation.pending = True
        yield from _retry_later(payment, policy, now, "pending", "the gateway has not made the refund yet")
    elif operation.pending and found.refund_failed:
        operation.attempts += 1
        operation.code, operation.reason = "refund_failed", "the gateway says that the refund is failed"
        yield from give_up(payment, now)
    else:
        payment.set_refund_amount(found.captured - found.refunded)
        payment.call(now)


def _unusable(payment: Payment, code: str, message: str, policy: Policy, now: datetime) -> Iterator[Outcome]:
    """The gateway has a payment, and it is not what was asked for: it is undone, and the customer told."""
    operation = payment.operation
    assert operation is not None
    if operation.kind == "authorize":
        payment.finish(State.DECLINED)
        yield PaymentDeclined(**event_fields(payment), code=code, reason=message)
        payment.begin("void", State.VOIDING, now)
    elif operation.kind == "capture":
        yield from _capture_failed(payment, code, message, now, uncertain=True)
    else:
        yield from _retry_later(payment, policy, now, code, message)


def _not_found(payment: Payment, policy: Policy, now: datetime) -> Iterator[Outcome]:
    """An authorization is asked for; one that is not found until none can arrive any more does not exist."""
    operation = payment.operation
    assert operation is not None
    if payment.is_unwanted and operation.kind == "authorize":
        operation.code, operation.uncertain = "cancelled", True
        yield from give_up(payment, now)
    elif operation.kind == "authorize":
        payment.call(now)
    elif operation.kind != "void":
        yield from _retry_later(payment, policy, now, "not_found", "the gateway does not know this payment", refused=True)
    elif operation.by_hand and payment.may_still_arrive(policy, now):
        yield from _retry_later(payment, policy, now, "not_found", "the gateway does not know this payment yet")
    elif not operation.by_hand and now - operation.began_at < policy.arrives_within:
        payment.look_up_again(policy, now)
    else:
        yield from _complete(payment, policy, now)


def _declined(payment: Payment, code: str, message: str, policy: Policy, now: datetime) -> Iterator[Outcome]:
    """Final for an authorization or a capture; a void or a refund is asked for again."""
    operation = payment.operation
    assert operation is not None
    if operation.kind == "authorize":
        payment.finish(State.DECLINED)
        yield PaymentDeclined(**event_fields(payment), code=code, reason=message)
    elif operation.kind == "capture":
        yield from _capture_failed(payment, code, message, now, uncertain=operation.uncertain)
    else:
        operation.key_spent = True
        yield from _retry_later(payment, policy, now, code, message, refused=True)


def _capture_failed(payment: Payment, code: str, reason: str, now: datetime, *, uncertain: bool) -> Iterator[CaptureFailed]:
    payment.finish(State.CAPTURE_FAILED)
    yield CaptureFailed(**event_fields(payment), code=code, reason=reason)
    if payment.unwanted:
        payment.begin("void", State.VOIDING, now, look_first=uncertain)


def give_up(payment: Payment, now: datetime) -> Iterator[GivenUp]:
    """Say that it came to nothing; what may have been done nevertheless is undone."""
    operation = payment.operation
    assert operation is not None
    match operation.kind:
        case "authorize":
            payment.finish(State.DECLINED)
            message = "the payment could not be made; try again or choose another way to pay"
            yield PaymentDeclined(**event_fields(payment), code=operation.code, reason=message)
            if operation.uncertain:  # the authorization may exist
                payment.begin("void", State.VOIDING, now, look_first=True)
        case "capture":
            yield from _capture_failed(payment, operation.code, "the payment could not be completed", now, uncertain=True)
        case "void":
            payment.finish(State.VOID_FAILED)
            yield VoidFailed(**failure_fields(payment, operation.attempts, operation.code, operation.reason))
        case "refund":
            payment.finish(State.REFUND_FAILED)
            stuck = failure_fields(payment, operation.attempts, operation.code, operation.reason)
            yield RefundFailed(**stuck | {"amount": operation.refund_amount(payment)})


def event_fields(payment: Payment) -> dict[str, Any]:
    """What every payment event says."""
    return {
        "cart_id": payment.cart_id,
        "checkout_id": payment.checkout_id,
        "amount": payment.amount,
        "currency": payment.currency,
    }


def failure_fields(payment: Payment, attempts: int, code: str, reason: str) -> dict[str, Any]:
    """What a person needs to act on money that is stuck (see :class:`shared.contract.payment.FailedCompensation`)."""
    return {
        **event_fields(payment),
        "gateway_reference": payment.gateway_reference,
        "authorization_id": payment.authorization_id,
        "attempts": attempts,
        "code": code,
        "reason": reason,
    }
