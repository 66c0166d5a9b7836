"""The scenarios of the demo: each is a Kafka client that runs a checkout and checks the events.

A scenario returns its outcome as a sentence; an unexpected event raises :class:`UnexpectedError`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from devstack.demo.shop import CASH, TOKYO, Shop, card
from shared.contract.cart import (
    AbandonCheckout,
    ApplyCoupon,
    CartReopened,
    CheckoutAbandoned,
    CheckoutAlreadyConfirmed,
    CheckoutCompleted,
    CheckoutRejected,
    ConfirmCheckout,
)
from shared.contract.inventory import (
    ReservationExpired,
    ReservationFailed,
    ReservationReleased,
    StockCommitted,
    StockReturned,
)
from shared.contract.message import Message
from shared.contract.order import (
    CancelOrder,
    CouponDefined,
    DefineCoupon,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderRejected,
    TotalsCalculated,
)
from shared.contract.payment import CaptureFailed, PaymentAuthorized, PaymentRefunded, PaymentVoided, VoidFailed
from shared.contract.products import ProductPriceChanged
from shared.money import display
from shared.settings import Settings

T = TypeVar("T", bound=Message)


class UnexpectedError(Exception):
    """A scenario did not see what it expects."""


@dataclass(frozen=True)
class Scenario:
    """A scenario: its name, the expected outcome, and the seconds it waits for a time limit of the system."""

    name: str
    expected: str
    run: Callable[[Shop], Awaitable[str]]
    waits: Callable[[Settings], float] = lambda settings: 0.0


def expect(outcome: Message, kind: type[T], *codes: str) -> T:
    """The outcome, if it has this type and these reason codes. Raises :class:`UnexpectedError`."""
    if not isinstance(outcome, kind):
        raise UnexpectedError(f"expected {kind.__name__}, got {type(outcome).__name__}: {outcome!r}")
    found = {reason.code for reason in getattr(outcome, "reasons", ())}
    if codes and found != set(codes):
        raise UnexpectedError(f"unexpected reasons: {', '.join(sorted(found))}")
    return outcome


async def happy_path(shop: Shop) -> str:
    sku = await shop.product(stock=5)
    cart_id, outcome = await shop.check_out(sku)
    number = expect(outcome, CheckoutCompleted).order_number
    confirmed = await shop.client.wait_for(cart_id, OrderConfirmed)
    await shop.client.wait_for(cart_id, StockCommitted)
    return f"order {number}, {display(confirmed.total, confirmed.currency)} captured"


async def totals_in_euro(shop: Shop) -> str:
    sku = await shop.product(stock=5, EUR=1000)
    coupon = await _coupon(shop)
    cart_id = await shop.cart(sku, quantity=2)
    await shop.client.send(ApplyCoupon(cart_id=cart_id, code=coupon))
    await shop.prepare(cart_id)
    expect(await shop.client.confirm(cart_id, expected_total=2290), CheckoutCompleted)
    return await _totals(shop, cart_id, (2000, 200, 490, 365, 2290))


async def totals_in_yen(shop: Shop) -> str:
    sku = await shop.product(stock=5, JPY=1500)
    coupon = await _coupon(shop)
    cart_id = await shop.cart(sku, quantity=2, currency="JPY")
    await shop.client.send(ApplyCoupon(cart_id=cart_id, code=coupon))
    await shop.prepare(cart_id, address=TOKYO)
    expect(await shop.client.confirm(cart_id), CheckoutCompleted)
    return await _totals(shop, cart_id, (3000, 300, 500, 290, 3200))


async def _coupon(shop: Shop) -> str:
    code = shop.code()
    await shop.client.send(DefineCoupon(code=code, kind="percentage", percent_off=1000))
    await shop.client.wait_for(code, CouponDefined)
    return code


async def _totals(shop: Shop, cart_id: str, wanted: tuple[int, int, int, int, int]) -> str:
    """``wanted``: subtotal, discount, shipping, tax and total, in minor units."""
    t = (await shop.client.wait_for(cart_id, TotalsCalculated)).totals
    found = (t.subtotal, t.discount, t.shipping, t.tax, t.total)
    if found != wanted or not t.tax_included:
        raise UnexpectedError(f"subtotal, discount, shipping, tax and total are {found}, not {wanted}")
    return f"{display(t.total, t.currency)}, including {display(t.tax, t.currency)} tax"


async def cash_on_delivery(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku, payment=CASH)
    expect(outcome, CheckoutCompleted)
    confirmed = await shop.client.wait_for(cart_id, OrderConfirmed)
    if confirmed.payment != "due":
        raise UnexpectedError(f"the payment is {confirmed.payment}")
    return f"order {confirmed.order_number}, {display(confirmed.total, confirmed.currency)} due on delivery"


async def zero_total(shop: Shop) -> str:
    sku = await shop.product(stock=1, EUR=0)
    code = shop.code()
    await shop.client.send(DefineCoupon(code=code, kind="free_shipping"))
    await shop.client.wait_for(code, CouponDefined)
    cart_id = await shop.cart(sku)
    await shop.client.send(ApplyCoupon(cart_id=cart_id, code=code))
    await shop.prepare(cart_id)
    expect(await shop.client.confirm(cart_id), CheckoutCompleted)
    confirmed = await shop.client.wait_for(cart_id, OrderConfirmed)
    return f"order {confirmed.order_number}, nothing to pay"


async def another_card(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku, payment=card("tok_decline_insufficient_funds"))
    expect(outcome, CartReopened, "insufficient_funds")
    await shop.prepare(cart_id)
    number = expect(await shop.client.confirm(cart_id), CheckoutCompleted).order_number
    return f"declined, the last unit stays reserved, then order {number}"


async def out_of_stock(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id = await shop.cart(sku, quantity=3)
    await shop.prepare(cart_id, reserved=False)
    failed = await shop.client.wait_for(cart_id, ReservationFailed)
    reopened = expect(await shop.client.wait_for(cart_id, CartReopened), CartReopened, "out_of_stock")
    if not reopened.shortages:
        raise UnexpectedError("the cart was reopened without shortages")
    short = failed.shortages[0]
    return f"cart reopened: {short.available} of {short.wanted} available"


async def last_unit(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    first, second = await shop.cart(sku), await shop.cart(sku)
    await shop.prepare(first)
    await shop.prepare(second, reserved=False)
    await shop.client.wait_for(second, ReservationFailed)
    expect(await shop.client.confirm(first), CheckoutCompleted)
    return "one ordered it, the other was rejected"


async def price_changed(shop: Shop) -> str:
    sku = await shop.product(stock=1, EUR=1000)
    cart_id = await shop.cart(sku)
    await shop.prepare(cart_id)
    await shop.client.send(ProductPriceChanged(sku=sku, name="Product", prices={"EUR": 1200}, weight_grams=500))
    await shop.known(sku, 1200)
    rejected = expect(await shop.client.confirm(cart_id), CheckoutRejected, "price_changed")
    expect(await shop.client.confirm(cart_id), CheckoutCompleted)
    return f"{rejected.reasons[0].message}; then confirmed at the new price"


async def other_total(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id = await shop.cart(sku)
    await shop.prepare(cart_id)
    reopened = expect(await shop.client.confirm(cart_id, expected_total=1), CartReopened, "total_differs")
    return reopened.reasons[0].message


async def double_confirm(shop: Shop) -> str:
    sku = await shop.product(stock=5)
    cart_id = await shop.cart(sku)
    await shop.prepare(cart_id)
    await shop.client.send(ConfirmCheckout(cart_id=cart_id), ConfirmCheckout(cart_id=cart_id))
    second = await shop.client.wait_for(cart_id, CheckoutAlreadyConfirmed)
    first = await shop.client.wait_for(cart_id, CheckoutCompleted)
    if shop.event_names(cart_id).count("OrderCreated") != 1:
        raise UnexpectedError("there is more than one order")
    later = expect(await shop.client.confirm(cart_id), CheckoutAlreadyConfirmed)
    if later.order_number != first.order_number:
        raise UnexpectedError(f"a later confirmation names order {later.order_number}")
    state = second.state.replace("_", " ")
    return f"one order; the second confirmation is answered with {state}, a third with {later.order_number}"


async def abandoned(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id = await shop.cart(sku)
    await shop.prepare(cart_id)
    await shop.client.send(AbandonCheckout(cart_id=cart_id))
    await shop.client.wait_for(cart_id, CheckoutAbandoned)
    await shop.client.wait_for(cart_id, ReservationReleased)
    return "the unit is free again"


async def expired(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id = await shop.cart(sku)
    await shop.prepare(cart_id)
    await shop.client.wait_for(cart_id, ReservationExpired, timeout=40)
    other = await shop.cart(sku)
    await shop.prepare(other)
    expect(await shop.client.confirm(other), CheckoutCompleted)
    expect(await shop.client.confirm(cart_id), CartReopened, "out_of_stock")
    return "another customer got the unit; nothing was charged"


async def capture_fails(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku, payment=card("tok_decline_capture"))
    expect(outcome, CartReopened)
    for kind in (CaptureFailed, OrderCancelled, PaymentVoided, ReservationReleased):
        await shop.client.wait_for(cart_id, kind)
    return "order cancelled, authorization released, stock released, cart reopened"


async def void_fails(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku, payment=card("tok_decline_capture+refuse_void_forever"))
    expect(outcome, CartReopened)
    failed = await shop.client.wait_for(cart_id, VoidFailed, timeout=40)
    await shop.alert(failed.checkout_id)
    return f"dead letter and alert: {display(failed.amount, failed.currency)} still held"


def _until_given_up(settings: Settings) -> float:
    return float(settings.payment_backoff_seconds * 2 ** (settings.payment_attempts - 1))


async def timeout_after_effect(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    _, outcome = await shop.check_out(sku, payment=card("tok_timeout_after_authorize+timeout_after_capture"))
    number = expect(outcome, CheckoutCompleted).order_number
    return f"order {number}, found by look-up, charged once"


async def cancel_before_capture(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id = await shop.cart(sku)
    await shop.prepare(cart_id, card("tok_slow_authorize_1"))
    await shop.client.send(ConfirmCheckout(cart_id=cart_id))
    totals = await shop.client.wait_for(cart_id, TotalsCalculated)
    await _cancel(shop, cart_id, totals.checkout_id)
    await shop.client.wait_for(cart_id, OrderRejected)
    await shop.client.wait_for(cart_id, PaymentVoided)
    if "OrderCreated" in shop.event_names(cart_id):
        raise UnexpectedError("an order was created")
    return "no order; the authorization is voided"


async def cancel_during_capture(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id = await shop.cart(sku)
    await shop.prepare(cart_id, card("tok_slow_capture_1"))
    await shop.client.send(ConfirmCheckout(cart_id=cart_id))
    created = await shop.client.wait_for(cart_id, OrderCreated)
    await shop.client.wait_for(cart_id, PaymentAuthorized)
    await _cancel(shop, cart_id, created.checkout_id)
    await shop.client.wait_for(cart_id, OrderCancelled)
    await shop.client.wait_for(cart_id, PaymentRefunded)
    return "captured, then refunded"


async def cancel_after_capture(shop: Shop) -> str:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku)
    await _cancel(shop, cart_id, expect(outcome, CheckoutCompleted).checkout_id)
    for kind in (OrderCancelled, PaymentRefunded, StockReturned):
        await shop.client.wait_for(cart_id, kind)
    return "refunded, stock returned"


async def _cancel(shop: Shop, cart_id: str, checkout_id: str) -> None:
    await shop.client.send(CancelOrder(cart_id=cart_id, checkout_id=checkout_id, reason="changed my mind"))


async def poison(shop: Shop) -> str:
    sku = await shop.product(stock=5)
    cart_id = await shop.cart(sku)
    await shop.prepare(cart_id)
    await shop.client.publish_bytes("cart.commands", cart_id, b'\xff{"not": json')
    number = expect(await shop.client.confirm(cart_id), CheckoutCompleted).order_number
    dead = await shop.dead_letter(cart_id)
    if dead != b'\xff{"not": json':
        raise UnexpectedError(f"the dead letter holds {dead!r}")
    return f"dead letter with its bytes; order {number} behind it was not delayed"


SCENARIOS = (
    Scenario("reservation expired", "another customer gets the unit; no charge", expired, lambda s: s.reservation_seconds),
    Scenario("capture failed, void refused forever", "dead letter and alert", void_fails, _until_given_up),
    Scenario("happy path", "paid order", happy_path),
    Scenario("coupon, shipping and tax in EUR", "tax included, totals exact", totals_in_euro),
    Scenario("coupon, shipping and tax in JPY", "tax included, no decimals", totals_in_yen),
    Scenario("cash on delivery", "confirmed, payment due", cash_on_delivery),
    Scenario("zero total", "confirmed without a payment", zero_total),
    Scenario("declined card, then another", "reopened, then paid order", another_card),
    Scenario("out of stock", "shortages named, nothing charged", out_of_stock),
    Scenario("two customers, one unit", "one gets it", last_unit),
    Scenario("price changed after the quote", "rejected, then confirmed", price_changed),
    Scenario("expected_total differs", "rejected, nothing charged", other_total),
    Scenario("double confirm", "one checkout, one order", double_confirm),
    Scenario("abandoned", "reservation released", abandoned),
    Scenario("capture failed and voided", "order cancelled, cart reopened", capture_fails),
    Scenario("gateway times out after taking effect", "one charge, paid order", timeout_after_effect),
    Scenario("cancel before capture", "void, no order", cancel_before_capture),
    Scenario("cancel during capture", "refund", cancel_during_capture),
    Scenario("cancel after capture", "refund, stock returned", cancel_after_capture),
    Scenario("unreadable message in between", "dead letter, later messages handled", poison),
)
