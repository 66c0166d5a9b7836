"""What order does when something happened: steps 4 and 6, the confirmation, and the end of an order."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Literal, Never

from services.order.coupon import Coupon
from services.order.model import Checkout, CheckoutState, OrderNumber, coupon_codes
from services.order.rules import Rules
from services.order.totals import calculate
from shared.contract.cart import CheckoutAbandoned, CheckoutConfirmed, PreviewRequested
from shared.contract.envelope import Envelope, refusal
from shared.contract.inventory import ReservationExtended, ReservationFailed, ReservationLost
from shared.contract.order import (
    CancelOrder,
    CheckoutPreviewed,
    CouponDefined,
    DefineCoupon,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
    TotalsCalculated,
)
from shared.contract.payment import CaptureFailed, PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentDeferred
from shared.contract.rejection import CommandRejected
from shared.contract.values import Reason, cart_of
from shared.money import display
from shared.runtime.reactions import Emits, Reactions, Search

reactions = Reactions("order")
State = CheckoutState

# --- coupons and previews


@reactions.on(DefineCoupon)
def define_coupon(coupon: Coupon, command: DefineCoupon, envelope: Envelope) -> Emits[CouponDefined | CommandRejected]:
    """New terms count from now on; what was redeemed stays counted. A redrive does not bring back older terms."""
    if envelope.older_than(coupon.position):
        yield refusal(envelope, Reason(code="superseded", message="a later command has defined this coupon"))
        return
    coupon.position = envelope.offset
    coupon.define(command)
    yield CouponDefined(code=command.code)


@reactions.on(PreviewRequested, coupons=lambda event: event.quote.coupons)
def preview_totals(
    event: PreviewRequested, coupons: Mapping[str, Coupon], rules: Rules, now: datetime
) -> Emits[CheckoutPreviewed]:
    """The totals as they would be now; nothing is kept of it."""
    outcome = calculate(event.quote, coupons, rules, now)
    yield CheckoutPreviewed(
        cart_id=event.cart_id,
        checkout_id=event.checkout_id,
        command_id=event.command_id,
        totals=None if isinstance(outcome, tuple) else outcome,
        reasons=outcome if isinstance(outcome, tuple) else (),
    )


# --- step 4: both halves, then the totals


def _previous(checkout: Checkout, event: CheckoutConfirmed) -> list[str]:
    return [event.previous_checkout_id] if event.previous_checkout_id else []


def _coupons_of(checkout: Checkout, event: CheckoutConfirmed, before: dict[str, Checkout]) -> set[str]:
    return set(event.quote.coupons).union(*map(coupon_codes, before.values()))


@reactions.on(CheckoutConfirmed, before=_previous, coupons=_coupons_of)
def total_on_confirmed_checkout(
    checkout: Checkout,
    event: CheckoutConfirmed,
    before: dict[str, Checkout],
    coupons: dict[str, Coupon],
    rules: Rules,
    now: datetime,
) -> Emits[TotalsCalculated | OrderRejected]:
    """One half: what is to be ordered. Where it was cancelled or given up before, cart does not know: say it again."""
    if checkout.quote is not None:
        return
    for earlier in before.values():
        if earlier.state is State.PAYING:  # it was declined, or the cart were not open again: its coupons serve this one
            earlier.end(State.CLOSED, coupons)
    checkout.cart_id, checkout.quote, checkout.expected_total = event.cart_id, event.quote, event.expected_total
    if checkout.state is State.WAITING:
        yield from _calculate(checkout, coupons, rules, now)
    elif checkout.rejected:
        yield _rejected(checkout, *checkout.rejected)


@reactions.on(ReservationExtended, coupons=coupon_codes)
def total_on_extended_reservation(
    checkout: Checkout, event: ReservationExtended, coupons: dict[str, Coupon], rules: Rules, now: datetime
) -> Emits[TotalsCalculated | OrderRejected]:
    """The other half: the units are held."""
    if checkout.state is State.WAITING:
        checkout.cart_id, checkout.reserved_until = event.cart_id, event.expires_at
        yield from _calculate(checkout, coupons, rules, now)


def _calculate(
    checkout: Checkout, coupons: Mapping[str, Coupon], rules: Rules, now: datetime
) -> Iterator[TotalsCalculated | OrderRejected]:
    if not checkout.complete:
        return
    assert checkout.quote is not None
    assert checkout.quote.payment_method is not None
    totals = calculate(checkout.quote, coupons, rules, now)
    if not isinstance(totals, tuple) and checkout.expected_total not in (None, totals.total):
        message = f"the total is {display(totals.total, totals.currency)}, which is not the expected total"
        totals = (Reason(code="total_differs", message=message, subject="expected_total"),)
    if isinstance(totals, tuple):
        yield _reject(checkout, coupons, *totals)
        return
    checkout.bill(totals, coupons)
    yield TotalsCalculated(
        cart_id=checkout.cart_id,
        checkout_id=checkout.checkout_id,
        customer_id=checkout.quote.customer_id,
        totals=totals,
        payment_method=checkout.quote.payment_method,
    )


def _reject(checkout: Checkout, coupons: Mapping[str, Coupon], *reasons: Reason) -> OrderRejected:
    checkout.end(State.CLOSED, coupons)
    checkout.rejected = reasons
    return _rejected(checkout, *reasons)


def _rejected(checkout: Checkout, *reasons: Reason) -> OrderRejected:
    return OrderRejected(cart_id=checkout.cart_id, checkout_id=checkout.checkout_id, reasons=reasons)


@reactions.on(ReservationFailed, coupons=coupon_codes)
def close_on_failed_reservation(checkout: Checkout, event: ReservationFailed, coupons: dict[str, Coupon]) -> Emits[Never]:
    """Cart heard it too and reopens; there is nothing to add."""
    if checkout.open:
        checkout.cart_id = event.cart_id
        checkout.end(State.CLOSED, coupons)
    yield from ()


# --- step 6: the order


def _to_number(checkout: Checkout, event: PaymentAuthorized | PaymentDeferred) -> list[str]:
    """Numbers are drawn for orders alone, so that they have no gaps but those of failures."""
    return [checkout.checkout_id] if checkout.state is State.PAYING else []


@reactions.on(PaymentAuthorized, numbers=_to_number)
def create_order(
    checkout: Checkout, event: PaymentAuthorized, numbers: Mapping[str, OrderNumber], now: datetime
) -> Emits[OrderCreated | OrderRejected]:
    """Persist the order once the money is held."""
    yield from _create(checkout, numbers, "authorized", now)


@reactions.on(PaymentDeferred, numbers=_to_number)
def create_deferred_order(
    checkout: Checkout, event: PaymentDeferred, numbers: Mapping[str, OrderNumber], now: datetime
) -> Emits[OrderCreated | OrderConfirmed | OrderRejected]:
    """Nothing to wait for: the order is confirmed at once, and its money is due."""
    yield from _create(checkout, numbers, "deferred", now)
    if checkout.state is State.CREATED and checkout.payment == "deferred":
        yield _confirm(checkout)


def _create(
    checkout: Checkout, numbers: Mapping[str, OrderNumber], payment: Literal["authorized", "deferred"], now: datetime
) -> Iterator[OrderCreated | OrderRejected]:
    if checkout.state is State.CLOSED:  # too late: whoever holds the money gives it back
        yield _rejected(checkout, Reason(code="too_late", message="the checkout ended before the payment was made"))
    elif checkout.state is State.PAYING:
        assert checkout.quote is not None
        assert checkout.totals is not None
        checkout.create_order(numbers[checkout.checkout_id].number, payment, now)
        yield OrderCreated(
            cart_id=checkout.cart_id,
            checkout_id=checkout.checkout_id,
            order_number=checkout.order_number,
            customer_id=checkout.quote.customer_id,
            items=checkout.quote.items,
            totals=checkout.totals,
            payment=payment,
        )


@reactions.on(PaymentDeclined, coupons=coupon_codes)
def close_on_declined_payment(checkout: Checkout, event: PaymentDeclined, coupons: dict[str, Coupon]) -> Emits[Never]:
    """The attempt is over; its coupons may be used again."""
    if checkout.state is State.PAYING:
        checkout.end(State.CLOSED, coupons)
    yield from ()


# --- the confirmation


@reactions.on(PaymentCaptured)
def confirm_order(checkout: Checkout, event: PaymentCaptured) -> Emits[OrderConfirmed]:
    """A cancelled order stays cancelled: payment gives the money back."""
    if checkout.state is State.CREATED:
        yield _confirm(checkout)


def _confirm(checkout: Checkout) -> OrderConfirmed:
    assert checkout.totals is not None
    checkout.state = State.CONFIRMED
    return OrderConfirmed(
        cart_id=checkout.cart_id,
        checkout_id=checkout.checkout_id,
        order_number=checkout.order_number,
        payment="due" if checkout.payment == "deferred" else "captured",
        currency=checkout.totals.currency,
        total=checkout.totals.total,
    )


# --- the end of an order, or of the hope for one


@reactions.on(CaptureFailed, coupons=coupon_codes)
def cancel_on_failed_capture(checkout: Checkout, event: CaptureFailed, coupons: dict[str, Coupon]) -> Emits[OrderCancelled]:
    """No money, no order (step 8)."""
    if checkout.state is State.CREATED:
        yield _cancel(checkout, coupons, Reason(code=event.code, message=event.reason, subject="payment_method"))


@reactions.on(ReservationLost, coupons=coupon_codes)
def cancel_on_lost_reservation(
    checkout: Checkout, event: ReservationLost, coupons: dict[str, Coupon]
) -> Emits[OrderRejected | OrderCancelled]:
    """The units are gone: no order, or none any more. A confirmation that comes later hears of it."""
    reasons = (
        Reason(code="out_of_stock", message=f"{s.available} of {s.wanted} units of {s.sku} are left", subject=s.sku)
        for s in event.shortages
    )
    if checkout.state in (State.CREATED, State.CONFIRMED):
        yield _cancel(checkout, coupons, *reasons)
    elif checkout.open:
        checkout.cart_id = event.cart_id
        yield _reject(checkout, coupons, *reasons)


@reactions.on(CheckoutAbandoned, coupons=coupon_codes)
def cancel_on_abandoned_checkout(
    checkout: Checkout, event: CheckoutAbandoned, coupons: dict[str, Coupon]
) -> Emits[OrderRejected | OrderCancelled]:
    """Given up: there is no order, unless it was final before. A confirmation that comes later hears of it."""
    reason = Reason(code="abandoned", message="the checkout was abandoned")
    if checkout.state is State.CREATED:
        yield _cancel(checkout, coupons, reason)
    elif checkout.known and checkout.open:
        yield _reject(checkout, coupons, reason)
    elif checkout.open:
        checkout.cart_id, checkout.state, checkout.rejected = event.cart_id, State.CLOSED, (reason,)


def _attempts_of(checkout: Checkout, command: CancelOrder) -> dict[str, str] | None:
    """What to search the cart's attempts for, where nothing was heard of the one that is named."""
    return None if checkout.known else {"cart_id": command.cart_id}


@reactions.on(CancelOrder, attempts=Search("of_cart", _attempts_of), coupons=coupon_codes)
def cancel_order(
    checkout: Checkout,
    command: CancelOrder,
    envelope: Envelope,
    attempts: Mapping[str, Checkout],
    coupons: dict[str, Coupon],
) -> Emits[OrderRejected | OrderCancelled | CommandRejected]:
    """At whatever point the checkout is; what comes later finds it over. Of one that cannot come it is refused."""
    if cart_of(command.checkout_id) != command.cart_id:
        message = "this checkout belongs to another cart"
        yield refusal(envelope, Reason(code="other_cart", message=message, subject="cart_id"))
    elif not checkout.known and (ordered := _ordered(command.cart_id, attempts.values())):
        message = f"there is no checkout {command.checkout_id}: {ordered.order_number} is the order of {ordered.checkout_id}"
        yield refusal(envelope, Reason(code="no_such_checkout", message=message, subject="checkout_id"))
    elif checkout.state is State.CLOSED:
        yield refusal(envelope, Reason(code="no_order", message="this checkout ended without an order"))
    elif checkout.state is State.CANCELLED:
        yield refusal(envelope, Reason(code="cancelled", message=f"order {checkout.order_number} is already cancelled"))
    elif checkout.open:
        checkout.cart_id = command.cart_id
        yield _reject(checkout, coupons, _cancelled(command))
    else:
        yield _cancel(checkout, coupons, _cancelled(command))


def _ordered(cart_id: str, attempts: Iterable[Checkout]) -> Checkout | None:
    """The attempt with which the cart is ordered: no other begins while its order stands. Before, one may be on its way."""
    stands = (State.CREATED, State.CONFIRMED)
    return next((other for other in attempts if other.cart_id == cart_id and other.state in stands), None)


def _cancelled(command: CancelOrder) -> Reason:
    return Reason(code="cancelled", message=f"cancelled by {command.requested_by}: {command.reason}")


def _cancel(checkout: Checkout, coupons: Mapping[str, Coupon], *reasons: Reason) -> OrderCancelled:
    checkout.end(State.CANCELLED, coupons)
    return OrderCancelled(
        cart_id=checkout.cart_id,
        checkout_id=checkout.checkout_id,
        order_number=checkout.order_number,
        reasons=reasons,
    )
