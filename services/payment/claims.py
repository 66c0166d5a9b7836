"""A person says that the money is settled. What the gateway says to that: rules only, no calls."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from services.payment.answers import event_fields, foreign_payment
from services.payment.gateways.port import Answer, LookUp, NotFound, PaymentState, PaymentStatus, Refused, Unavailable
from services.payment.model import Claim, Kind, Payment, Policy
from services.payment.model import PaymentState as State
from shared.contract.payment import ForeignPaymentFound, PaymentRefunded, PaymentVoided, SettlementDisputed
from shared.contract.rejection import CommandRejected
from shared.contract.values import Reason
from shared.money import EXPONENTS, display

NOTHING_LEFT: Final[tuple[PaymentStatus, ...]] = ("voided", "expired", "declined", "refunded")
"""Where nothing is held and nothing was kept, so that whoever says it is settled is right."""


def answer_claim(
    payment: Payment, claim: Claim, answer: Answer | LookUp, policy: Policy, now: datetime
) -> Iterator[PaymentVoided | PaymentRefunded | SettlementDisputed | ForeignPaymentFound | CommandRejected]:
    """Take a person's word where the gateway does not contradict it; else refuse it, or record it and leave all open."""
    assert payment.operation is not None
    assert payment.state is not None
    kind = payment.operation.kind
    yield from foreign_payment(payment, answer)
    payment.finish(payment.state)
    against = contradiction(payment, answer, policy, now)
    if against is None:
        yield _settle(payment, kind, claim)
    elif claim.although:
        yield SettlementDisputed(**event_fields(payment), by=claim.by, why=claim.why, found=against.message)
    else:
        yield CommandRejected(
            command_key=payment.cart_id, command_id=claim.command_id, command_type=claim.command_type, reasons=(against,)
        )


def _settle(payment: Payment, kind: Kind, claim: Claim) -> PaymentVoided | PaymentRefunded:
    if kind == "void":
        payment.finish(State.VOIDED)
        return PaymentVoided(**event_fields(payment), marked_by=claim.by, why=claim.why)
    payment.finish(State.REFUNDED)
    return PaymentRefunded(**event_fields(payment), marked_by=claim.by, why=claim.why)


def contradiction(payment: Payment, answer: Answer | LookUp, policy: Policy, now: datetime) -> Reason | None:
    """What the gateway's answer to a look-up has against it that nothing is held or kept of a payment, if anything."""
    match answer:
        case PaymentState(status=status) if status in NOTHING_LEFT:
            return None
        case PaymentState():
            return _reason(*_found(answer))
        case NotFound() if payment.authorization_id is None and not payment.may_still_arrive(policy, now):
            return None
        case NotFound():
            return _reason("not_found", "the gateway does not know this payment; try again in a few minutes")
        case Unavailable(code=code, reason=reason):
            return _reason("gateway_unreachable", f"the gateway could not be asked: {reason} ({code})")
        case Refused(code=code, message=message):
            return _reason("gateway_refused", f"the gateway refused to return the payment: {message} ({code})")
        case _:
            return _reason("gateway_unreachable", "the gateway did not return the payment")


def _found(found: PaymentState) -> tuple[str, str]:
    """A code and a sentence for money that is still at the gateway."""
    payment_id = found.authorization_id
    if found.status == "authorized":
        return "still_held", f"the gateway still holds {_sum(found.amount, found.currency)} (its payment {payment_id})"
    if found.refunding:
        return (
            "pending",
            f"the gateway has not refunded {_sum(found.refunding, found.currency)} yet (its payment {payment_id})",
        )
    if found.status == "captured":
        kept = _sum(found.captured - found.refunded, found.currency)
        return "still_captured", f"the gateway captured {kept} and has not refunded it (its payment {payment_id})"
    return "not_settled", f"the payment {payment_id} is {found.status.replace('_', ' ')} at the gateway"


def _reason(code: str, message: str) -> Reason:
    """``subject``: the field of the command that records the claim all the same."""
    return Reason(code=code, message=message, subject="although")


def _sum(amount: int, currency: str) -> str:
    return display(amount, currency) if currency in EXPONENTS else f"{amount} {currency}"
