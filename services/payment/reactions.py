"""What payment does when something happened: steps 5 and 7, and giving the money back."""

from collections.abc import Iterator
from datetime import datetime
from typing import Never

from services.payment.answers import (
    AuthorizationAged,
    GatewayAnswered,
    OperationTimedOut,
    apply_answer,
    event_fields,
    failure_fields,
    give_up,
)
from services.payment.claims import answer_claim
from services.payment.model import LAST_CHANCE, Claim, Payment, PaymentState, Policy
from services.payment.trouble import GatewayHealth, GatewayTroubled, GatewayWorks
from shared.contract.envelope import Envelope, refusal
from shared.contract.order import OrderCancelled, OrderCreated, OrderRejected, TotalsCalculated
from shared.contract.payment import (
    AuthorizationExpiring,
    CaptureFailed,
    ForeignPaymentFound,
    GatewayInTrouble,
    GatewayRecovered,
    MarkPaid,
    MarkRefunded,
    MarkVoided,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentCommand,
    PaymentDeclined,
    PaymentDeferred,
    PaymentMarkedPaid,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRetried,
    RetriesNearlyExhausted,
    RetryRefund,
    RetryVoid,
    SettlementDisputed,
    VoidFailed,
    VoidRetried,
)
from shared.contract.rejection import CommandRejected
from shared.contract.values import Reason
from shared.runtime.reactions import Emits, Reactions

reactions = Reactions("payment")
State = PaymentState


@reactions.on(TotalsCalculated)
def authorize(payment: Payment, event: TotalsCalculated, policy: Policy, now: datetime) -> Emits[PaymentDeferred]:
    """Step 5: ask for an authorization; where there is nothing to hold, the payment is deferred."""
    if payment.state is not None:
        return
    payment.cart_id, payment.amount, payment.currency = event.cart_id, event.totals.total, event.totals.currency
    if event.totals.total == 0:
        payment.state = State.DEFERRED
        yield PaymentDeferred(**event_fields(payment), because="zero_total")
    elif event.payment_method.kind == "cash_on_delivery":
        payment.state = State.DEFERRED
        yield PaymentDeferred(**event_fields(payment), because="cash_on_delivery")
    else:
        payment.token, payment.reference = event.payment_method.token, policy.reference(event.checkout_id)
        payment.begin("authorize", State.AUTHORIZING, now, until=now + policy.authorize_within)


@reactions.on(OrderCreated)
def capture(payment: Payment, event: OrderCreated, now: datetime) -> Emits[Never]:
    """Step 7: the order is committed, so the money may be taken."""
    if payment.state is State.AUTHORIZED:
        payment.begin("capture", State.CAPTURING, now, until=max(payment.due_at or now, now + LAST_CHANCE))
    yield from ()


@reactions.on(OrderRejected)
def void_or_refund_rejected(payment: Payment, event: OrderRejected, now: datetime) -> Emits[PaymentVoided | RefundFailed]:
    """No order will come of it."""
    yield from _void_or_refund(payment, event.cart_id, now)


@reactions.on(OrderCancelled)
def void_or_refund_cancelled(payment: Payment, event: OrderCancelled, now: datetime) -> Emits[PaymentVoided | RefundFailed]:
    """The order is off: void what is held, refund what was captured, never both and never neither."""
    yield from _void_or_refund(payment, event.cart_id, now)


def _void_or_refund(payment: Payment, cart_id: str, now: datetime) -> Iterator[PaymentVoided | RefundFailed]:
    match payment.state:
        case None:  # should the totals come yet, nothing is asked for
            payment.cart_id, payment.state = cart_id, State.VOIDED
        case State.AUTHORIZING | State.CAPTURING:
            payment.unwanted = True
        case State.AUTHORIZED:
            payment.begin("void", State.VOIDING, now)
        case State.CAPTURE_FAILED:
            payment.begin("void", State.VOIDING, now, look_first=True)
        case State.CAPTURED:
            payment.begin("refund", State.REFUNDING, now)
        case State.DEFERRED:
            payment.state = State.VOIDED
            yield PaymentVoided(**event_fields(payment))
        case State.PAID:
            payment.state = State.REFUND_FAILED
            yield RefundFailed(**failure_fields(payment, 0, "paid_in_cash", "paid on delivery: refund it by hand"))


@reactions.on(GatewayAnswered)
def on_gateway_result(
    payment: Payment, answered: GatewayAnswered, policy: Policy, now: datetime
) -> Emits[
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
    | SettlementDisputed
    | CommandRejected
]:
    """An answer of the gateway; one to an older request changes nothing."""
    if payment.operation is None or payment.operation.serial != answered.serial:
        return
    if payment.operation.claim is not None:
        yield from answer_claim(payment, payment.operation.claim, answered.answer, policy, now)
    else:
        operation, warned = payment.operation, payment.operation.warned
        operation.uncertain |= answered.again
        operation.warned |= answered.in_trouble
        yield from apply_answer(payment, answered.answer, policy, now)
        if answered.in_trouble:
            operation.warned = warned


@reactions.on(OperationTimedOut)
def give_up_timed_out(
    payment: Payment, timeout: OperationTimedOut, now: datetime
) -> Emits[PaymentDeclined | CaptureFailed | VoidFailed | RefundFailed]:
    """The gateway is in trouble for longer than anybody can wait, or nobody wants any more what it is to be asked."""
    operation = payment.operation
    if operation is None or operation.serial != timeout.serial or operation.claim is not None:
        return
    if payment.is_unwanted or now >= operation.gives_up_at:
        operation.uncertain |= timeout.again
        operation.code = operation.code or "gateway_in_trouble"
        operation.reason = operation.reason or "the gateway could not be asked"
        yield from give_up(payment, now)


@reactions.on(AuthorizationAged)
def warn_expiring_authorization(
    payment: Payment, aged: AuthorizationAged, policy: Policy, now: datetime
) -> Emits[AuthorizationExpiring]:
    """Nobody captured or released the money for days: a person should know before the bank lets go of it."""
    if payment.state is State.AUTHORIZED and payment.due_at is not None and payment.due_at <= now:
        authorized_at, payment.due_at = payment.due_at - policy.authorization_warning, None
        yield AuthorizationExpiring(**event_fields(payment), authorized_at=authorized_at)


# --- the gateway itself


@reactions.on(GatewayTroubled)
def report_gateway_trouble(health: GatewayHealth, seen: GatewayTroubled, now: datetime) -> Emits[GatewayInTrouble]:
    """One state of the service, whichever of its processes saw it first."""
    if health.since is None:
        yield GatewayInTrouble(cart_id=seen.cart_id, gateway=health.gateway, since=now, code=seen.code, reason=seen.reason)
    health.begin(seen, now)


@reactions.on(GatewayWorks)
def report_gateway_recovery(health: GatewayHealth, seen: GatewayWorks, now: datetime) -> Emits[GatewayRecovered]:
    """What was held back goes on by itself."""
    if health.since is not None:
        yield GatewayRecovered(cart_id=seen.cart_id, gateway=health.gateway, since=health.since)
        health.end()


# --- what staff decide


@reactions.on(RetryVoid)
def retry_void(payment: Payment, command: RetryVoid, envelope: Envelope, now: datetime) -> Emits[VoidRetried | CommandRejected]:
    """Once, and looking first: a person waits for the answer."""
    if refused := _refused(payment, command, envelope, State.VOID_FAILED):
        yield refused
    else:
        payment.begin("void", State.VOIDING, now, look_first=True, by_hand=True)
        yield VoidRetried(**event_fields(payment), by=command.by, why=command.why)


@reactions.on(RetryRefund)
def retry_refund(
    payment: Payment, command: RetryRefund, envelope: Envelope, now: datetime
) -> Emits[RefundRetried | CommandRejected]:
    """Once, and looking first: a person waits for the answer."""
    if refused := _refused(payment, command, envelope, State.REFUND_FAILED):
        yield refused
    elif payment.token is None:
        message = "it was paid on delivery: refund it by hand, then send MarkRefunded"
        yield refusal(envelope, Reason(code="paid_in_cash", message=message))
    else:
        payment.begin("refund", State.REFUNDING, now, look_first=True, by_hand=True)
        yield RefundRetried(**event_fields(payment), by=command.by, why=command.why)


@reactions.on(MarkVoided)
def mark_voided(payment: Payment, command: MarkVoided, envelope: Envelope, now: datetime) -> Emits[CommandRejected]:
    """Somebody says that they released the authorization by hand: the gateway is asked first."""
    if refused := _refused(payment, command, envelope, State.VOID_FAILED):
        yield refused
    else:
        payment.verify("void", _claim(command, envelope), now)


@reactions.on(MarkRefunded)
def mark_refunded(
    payment: Payment, command: MarkRefunded, envelope: Envelope, now: datetime
) -> Emits[PaymentRefunded | CommandRejected]:
    """Somebody says that they gave the money back by hand: the gateway is asked first. It knows nothing of cash."""
    if refused := _refused(payment, command, envelope, State.REFUND_FAILED):
        yield refused
    elif payment.token is None:
        payment.finish(State.REFUNDED)
        yield PaymentRefunded(**event_fields(payment), marked_by=command.by, why=command.why)
    else:
        payment.verify("refund", _claim(command, envelope), now)


def _claim(command: MarkVoided | MarkRefunded, envelope: Envelope) -> Claim:
    return Claim(command.by, command.why, command.although, envelope.id, envelope.type)


@reactions.on(MarkPaid)
def mark_paid(payment: Payment, command: MarkPaid, envelope: Envelope) -> Emits[PaymentMarkedPaid | CommandRejected]:
    """The money of a deferred payment is here."""
    if refused := _refused(payment, command, envelope, State.DEFERRED):
        yield refused
    elif payment.amount == 0:  # what was never paid cannot be given back
        yield refusal(envelope, Reason(code="nothing_due", message="nothing is due for this order"))
    else:
        payment.state = State.PAID
        yield PaymentMarkedPaid(**event_fields(payment), marked_by=command.by, why=command.why)


def _refused(payment: Payment, command: PaymentCommand, envelope: Envelope, wanted: PaymentState) -> CommandRejected | None:
    """What stands against a decision. One that names another cart comes in another partition than the rest of this payment."""
    if payment.state and command.cart_id != payment.cart_id:
        return refusal(envelope, Reason(code="other_cart", message="this payment belongs to another cart", subject="cart_id"))
    if payment.state is wanted:
        return _busy(envelope) if payment.operation is not None else None
    message = f"the payment is {payment.state}, not {wanted}" if payment.state else "the payment does not exist"
    return refusal(envelope, Reason(code="wrong_state", message=message))


def _busy(envelope: Envelope) -> CommandRejected:
    message = "an earlier command about this payment still waits for the gateway; try again in a moment"
    return refusal(envelope, Reason(code="busy", message=message))
