"""What cart does when something happened: steps 1, 2 and 9, and all that comes before them."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Literal, Never

from services.cart.model import MAX_CART_ID, Cart, CartState, Policy, Product, RuleError, skus
from shared.contract.cart import (
    AbandonCheckout,
    AddItem,
    ApplyCoupon,
    CartChanged,
    CartOpened,
    CartReopened,
    CheckoutAbandoned,
    CheckoutAlreadyConfirmed,
    CheckoutAlreadyStarted,
    CheckoutChanged,
    CheckoutChangeRejected,
    CheckoutCompleted,
    CheckoutConfirmed,
    CheckoutDetailsSet,
    CheckoutRejected,
    CheckoutStarted,
    ConfirmCheckout,
    OpenCart,
    PreviewCheckout,
    PreviewRequested,
    RemoveCoupon,
    RemoveItem,
    SetPaymentMethod,
    SetQuantity,
    SetShippingAddress,
    SetShippingMethod,
    StartCheckout,
)
from shared.contract.envelope import Envelope, refusal
from shared.contract.inventory import ReservationChangeRejected, ReservationFailed
from shared.contract.message import Message
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderRejected
from shared.contract.payment import PaymentDeclined
from shared.contract.products import MAX_IGNORED, PricesIgnored, ProductDelisted, ProductListed, ProductPriceChanged
from shared.contract.rejection import CommandRejected
from shared.contract.values import Reason, Shortage
from shared.runtime.reactions import Emits, Reactions

reactions = Reactions("cart")
EDITABLE = (CartState.ACTIVE, CartState.CHECKOUT)


def refusing(function: Callable[..., Iterator[Message]]) -> Callable[..., Iterator[Message]]:
    """A rule that is broken becomes the command's refusal.

    A redrive is refused where the cart has gone on since: nobody is charged for what they wanted before they changed
    their mind.
    """

    @wraps(function)
    def guarded(cart: Cart, command: Any, envelope: Envelope, **more: Any) -> Iterator[Message]:
        if envelope.older_than(cart.position):
            yield refusal(envelope, Reason(code="superseded", message="a later command has changed this cart"))
            return
        try:
            yield from function(cart, command, envelope, **more)
        except RuleError as error:
            yield refusal(envelope, *error.reasons)
        else:
            if not isinstance(command, PreviewCheckout):
                cart.position = envelope.offset

    return guarded


# --- the price projection


@reactions.on(ProductListed)
def list_product(product: Product, event: ProductListed, envelope: Envelope) -> Emits[PricesIgnored]:
    """Know what is sold, and for how much. A redrive does not bring back what the catalogue has changed since.

    Prices in currencies the shop does not know are left out, and told once. No former price stays.
    """
    if envelope.older_than(product.position):
        return
    product.position = envelope.offset
    product.name, product.prices, product.listed = event.name, event.sold_at, True
    product.tax_category, product.weight_grams = event.tax_category, event.weight_grams
    before, product.ignored = product.ignored, list(event.unknown_currencies[:MAX_IGNORED])
    if product.ignored and product.ignored != before:
        yield PricesIgnored(sku=product.sku, currencies=tuple(product.ignored))


@reactions.on(ProductPriceChanged)
def change_price(product: Product, event: ProductPriceChanged, envelope: Envelope) -> Emits[PricesIgnored]:
    """Each event carries the whole product, so the last one is enough."""
    return list_product(product, event, envelope)


@reactions.on(ProductDelisted)
def delist_product(product: Product, event: ProductDelisted, envelope: Envelope) -> Emits[Never]:
    """The name stays, for carts that still hold it."""
    yield from ()
    if not envelope.older_than(product.position):
        product.listed, product.position = False, envelope.offset


# --- filling the cart


@reactions.on(OpenCart)
def open_cart(cart: Cart, command: OpenCart, envelope: Envelope) -> Emits[CartOpened | CommandRejected]:
    """A cart is opened once. Again by the same customer: it is there."""
    if cart.state in EDITABLE and (cart.currency, cart.customer_id) == (command.currency, command.customer_id):
        yield CartOpened(cart_id=cart.cart_id, currency=cart.currency, customer_id=cart.customer_id)
        return
    if cart.state is not None:
        yield refusal(envelope, Reason(code="cart_exists", message="this cart already exists"))
        return
    if len(cart.cart_id) > MAX_CART_ID:
        message = f"a cart id has at most {MAX_CART_ID} characters"
        yield refusal(envelope, Reason(code="cart_id_too_long", message=message, subject="cart_id"))
        return
    cart.state, cart.currency, cart.customer_id = CartState.ACTIVE, command.currency, command.customer_id
    yield CartOpened(cart_id=cart.cart_id, currency=cart.currency, customer_id=cart.customer_id)


@reactions.on(AddItem, products=lambda cart, command: [command.sku])
@refusing
def add_item(
    cart: Cart, command: AddItem, envelope: Envelope, products: Mapping[str, Product]
) -> Emits[CartChanged | CheckoutChanged | CommandRejected]:
    """Quote the product at its price of now."""
    cart.require(*EDITABLE)
    held = cart.lines[command.sku].quantity if command.sku in cart.lines else 0
    cart.set_quantity(command.sku, held + command.quantity, products.get(command.sku))
    yield _changed(cart)


@reactions.on(SetQuantity, products=lambda cart, command: [command.sku])
@refusing
def set_quantity(
    cart: Cart, command: SetQuantity, envelope: Envelope, products: Mapping[str, Product]
) -> Emits[CartChanged | CheckoutChanged | CommandRejected]:
    """The price stays as quoted where the product is in the cart."""
    cart.require(*EDITABLE)
    cart.set_quantity(command.sku, command.quantity, products.get(command.sku))
    yield _changed(cart)


@reactions.on(RemoveItem)
@refusing
def remove_item(cart: Cart, command: RemoveItem, envelope: Envelope) -> Emits[CartChanged | CheckoutChanged | CommandRejected]:
    """What is not there cannot be taken out."""
    cart.require(*EDITABLE)
    if cart.lines.pop(command.sku, None) is None:
        raise RuleError(Reason(code="not_in_cart", message=f"{command.sku} is not in the cart", subject=command.sku))
    yield _changed(cart)


@reactions.on(ApplyCoupon)
@refusing
def apply_coupon(cart: Cart, command: ApplyCoupon, envelope: Envelope) -> Emits[CartChanged | CommandRejected]:
    """Whether the coupon holds is told by the totals."""
    cart.require(*EDITABLE)
    cart.add_coupon(command.code)
    yield CartChanged(cart_id=cart.cart_id, items=cart.items, coupons=tuple(cart.coupons))


@reactions.on(RemoveCoupon)
@refusing
def remove_coupon(cart: Cart, command: RemoveCoupon, envelope: Envelope) -> Emits[CartChanged | CommandRejected]:
    """Do without it."""
    cart.require(*EDITABLE)
    if command.code not in cart.coupons:
        raise RuleError(Reason(code="no_such_coupon", message="this coupon is not applied", subject=command.code))
    cart.coupons.remove(command.code)
    yield CartChanged(cart_id=cart.cart_id, items=cart.items, coupons=tuple(cart.coupons))


def _changed(cart: Cart) -> CartChanged | CheckoutChanged:
    if cart.session is None:
        return CartChanged(cart_id=cart.cart_id, items=cart.items, coupons=tuple(cart.coupons))
    cart.session.revision += 1
    return CheckoutChanged(
        cart_id=cart.cart_id,
        checkout_id=cart.session.checkout_id,
        revision=cart.session.revision,
        items=cart.items,
    )


@reactions.on(ReservationChangeRejected)
def revert_rejected_change(cart: Cart, event: ReservationChangeRejected) -> Emits[CheckoutChangeRejected]:
    """The cart holds what is reserved for it. A change that came since, or the confirmation, has an answer of its own."""
    session = cart.session
    if cart.state is not CartState.CHECKOUT or session is None:
        return
    if (event.checkout_id, event.revision) == (session.checkout_id, session.revision):
        cart.keep(event.items)
        yield CheckoutChangeRejected(
            cart_id=cart.cart_id,
            checkout_id=session.checkout_id,
            revision=session.revision,
            items=cart.items,
            reasons=_shortage_reasons(event.shortages),
            shortages=event.shortages,
        )


# --- the session


@reactions.on(StartCheckout)
@refusing
def start_checkout(
    cart: Cart, command: StartCheckout, envelope: Envelope, now: datetime, policy: Policy
) -> Emits[CheckoutStarted | CheckoutAlreadyStarted | CommandRejected]:
    """Make the session; inventory reserves. Again: the session there is."""
    if cart.state is CartState.CHECKOUT:
        yield _already_started(cart, envelope)
        return
    cart.require(CartState.ACTIVE)
    if not cart.lines:
        raise RuleError(Reason(code="empty_cart", message="the cart is empty"))
    expires_at = now + timedelta(seconds=policy.session_seconds)
    checkout_id = cart.start(expires_at)
    yield CheckoutStarted(
        cart_id=cart.cart_id,
        checkout_id=checkout_id,
        previous_checkout_id=cart.previous_checkout_id,
        items=cart.items,
        expires_at=expires_at,
    )


def _already_started(cart: Cart, envelope: Envelope) -> CheckoutAlreadyStarted:
    session = cart.require_session()
    assert cart.due_at is not None
    return CheckoutAlreadyStarted(
        cart_id=cart.cart_id,
        checkout_id=session.checkout_id,
        command_id=envelope.id,
        items=cart.items,
        missing=session.missing,
        expires_at=cart.due_at,
    )


@reactions.on(SetShippingAddress)
@refusing
def set_shipping_address(
    cart: Cart, command: SetShippingAddress, envelope: Envelope
) -> Emits[CheckoutDetailsSet | CommandRejected]:
    """Whether it can be shipped there is told by the totals."""
    cart.require_session().address = command.address
    yield _details(cart)


@reactions.on(SetShippingMethod)
@refusing
def set_shipping_method(
    cart: Cart, command: SetShippingMethod, envelope: Envelope
) -> Emits[CheckoutDetailsSet | CommandRejected]:
    """Whether it fits the address is told by the totals."""
    cart.require_session().shipping_method = command.method
    yield _details(cart)


@reactions.on(SetPaymentMethod)
@refusing
def set_payment_method(
    cart: Cart, command: SetPaymentMethod, envelope: Envelope
) -> Emits[CheckoutDetailsSet | CommandRejected]:
    """Whether it is good is told by the authorization."""
    cart.require_session().payment_method = command.method
    yield _details(cart)


def _details(cart: Cart) -> CheckoutDetailsSet:
    session = cart.require_session()
    return CheckoutDetailsSet(cart_id=cart.cart_id, checkout_id=session.checkout_id, missing=session.missing)


@reactions.on(PreviewCheckout)
@refusing
def preview_checkout(cart: Cart, command: PreviewCheckout, envelope: Envelope) -> Emits[PreviewRequested | CommandRejected]:
    """Order knows the totals; how it will be paid does not change them, and a token is for payment alone."""
    cart.require(*EDITABLE)
    if not cart.lines:
        raise RuleError(Reason(code="empty_cart", message="the cart is empty"))
    checkout_id = cart.session.checkout_id if cart.session else None
    quote = cart.quote.model_copy(update={"payment_method": None})
    yield PreviewRequested(cart_id=cart.cart_id, checkout_id=checkout_id, command_id=envelope.id, quote=quote)


@reactions.on(ConfirmCheckout, products=skus)
@refusing
def confirm_checkout(
    cart: Cart, command: ConfirmCheckout, envelope: Envelope, products: Mapping[str, Product]
) -> Emits[CheckoutConfirmed | CheckoutRejected | CheckoutAlreadyConfirmed | CommandRejected]:
    """Steps 1 and 2: all that stands against the checkout at once, or its quote, final. Again: what became of it."""
    if command.checkout_id not in (None, cart.checkout_id):
        raise RuleError(Reason(code="other_checkout", message="this checkout attempt is over", subject=command.checkout_id))
    if cart.failed or cart.state in (CartState.LOCKED, CartState.INACTIVE):
        yield _already_confirmed(cart, envelope)
        return
    if cart.state is not CartState.CHECKOUT:
        reason = Reason(code="no_session", message="no checkout is in progress; start one first")
        yield CheckoutRejected(cart_id=cart.cart_id, checkout_id=None, command_id=envelope.id, reasons=(reason,))
        return
    session = cart.require_session()
    if faults := cart.faults(products):
        cart.requote(products)
        yield CheckoutRejected(cart_id=cart.cart_id, checkout_id=session.checkout_id, command_id=envelope.id, reasons=faults)
        return
    cart.lock()
    yield CheckoutConfirmed(
        cart_id=cart.cart_id,
        checkout_id=session.checkout_id,
        command_id=envelope.id,
        revision=session.revision,
        quote=cart.quote,
        expected_total=command.expected_total,
        previous_checkout_id=cart.previous_checkout_id,
    )


def _already_confirmed(cart: Cart, envelope: Envelope) -> CheckoutAlreadyConfirmed:
    assert cart.checkout_id is not None
    state: Literal["completed", "failed", "in_progress"]
    state = "completed" if cart.order_number else "failed" if cart.failed else "in_progress"
    return CheckoutAlreadyConfirmed(
        cart_id=cart.cart_id,
        checkout_id=cart.checkout_id,
        command_id=envelope.id,
        state=state,
        order_number=cart.order_number,
    )


@reactions.on(AbandonCheckout)
@refusing
def abandon_checkout(cart: Cart, command: AbandonCheckout, envelope: Envelope) -> Emits[CheckoutAbandoned | CommandRejected]:
    """Before the confirmation the cart is active again at once; after it, order has the last word."""
    cart.require(CartState.CHECKOUT, CartState.LOCKED)
    session = cart.session
    assert session is not None
    if session.abandoned:
        raise RuleError(Reason(code="abandoned", message="this checkout is already abandoned"))
    session.abandoned = True
    if cart.state is CartState.CHECKOUT:
        cart.reopen()
    yield CheckoutAbandoned(cart_id=cart.cart_id, checkout_id=session.checkout_id, by="customer")


@reactions.on_timer()
def expire_session(cart: Cart) -> Emits[CheckoutAbandoned]:
    """A checkout nobody confirmed in time."""
    session = cart.session
    assert session is not None
    cart.reopen()
    yield CheckoutAbandoned(cart_id=cart.cart_id, checkout_id=session.checkout_id, by="timeout")


# --- the end of the checkout


@reactions.on(ReservationFailed)
def reopen_on_failed_reservation(cart: Cart, event: ReservationFailed) -> Emits[CartReopened]:
    """The stock is gone: nothing was paid, and the shortages are named."""
    yield from _reopen(cart, event.checkout_id, _shortage_reasons(event.shortages), event.shortages)


@reactions.on(OrderRejected)
def reopen_on_rejected_order(cart: Cart, event: OrderRejected) -> Emits[CartReopened]:
    """Order found that there can be no order."""
    yield from _reopen(cart, event.checkout_id, event.reasons)


@reactions.on(PaymentDeclined)
def reopen_on_declined_payment(cart: Cart, event: PaymentDeclined) -> Emits[CartReopened]:
    """Another card may do."""
    yield from _reopen(cart, event.checkout_id, (Reason(code=event.code, message=event.reason, subject="payment_method"),))


@reactions.on(OrderCancelled)
def reopen_on_cancelled_order(cart: Cart, event: OrderCancelled) -> Emits[CartReopened]:
    """The order came to nothing. A cart whose order had been confirmed stays inactive."""
    yield from _reopen(cart, event.checkout_id, event.reasons)


def _reopen(
    cart: Cart, checkout_id: str, reasons: tuple[Reason, ...], shortages: tuple[Shortage, ...] = ()
) -> Iterator[CartReopened]:
    if cart.session is not None and cart.session.checkout_id == checkout_id:
        cart.reopen()
        yield CartReopened(cart_id=cart.cart_id, checkout_id=checkout_id, reasons=reasons, shortages=shortages)


def _shortage_reasons(shortages: tuple[Shortage, ...]) -> tuple[Reason, ...]:
    return tuple(
        Reason(code="out_of_stock", message=f"{s.available} of {s.wanted} units of {s.sku} are available", subject=s.sku)
        for s in shortages
    )


@reactions.on(OrderConfirmed)
def complete_on_confirmed_order(cart: Cart, event: OrderConfirmed) -> Emits[CheckoutCompleted]:
    """Step 9: never in the customer's way, as it only follows the confirmation."""
    if cart.session is not None and cart.session.checkout_id == event.checkout_id:
        cart.complete(event.order_number)
        yield CheckoutCompleted(cart_id=cart.cart_id, checkout_id=event.checkout_id, order_number=event.order_number)
