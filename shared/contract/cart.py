"""Commands to the cart and the cart's facts. Key: the cart id."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shared.contract.message import Amount, Command, CouponCode, Currency, CustomerId, Event, Id, Moment, Quantity, Sku
from shared.contract.values import Address, Items, PaymentMethod, Quote, Reason, Shortage


class CartCommand(Command, abstract=True):
    """A wish about one cart."""

    topic: ClassVar[str] = "cart.commands"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id
    """The cart; the client chooses the id when it opens the cart."""


class OpenCart(CartCommand):
    """Make a new cart for a customer, in one currency."""

    currency: Currency
    """ISO 4217; every price and total of this cart is in it."""
    customer_id: CustomerId


class AddItem(CartCommand):
    """Put so many more units of a product into the cart."""

    sku: Sku
    quantity: Quantity = 1
    """Units more."""


class SetQuantity(CartCommand):
    """Change how many units of a product are in the cart."""

    sku: Sku
    quantity: Quantity
    """Units there shall be."""


class RemoveItem(CartCommand):
    """Take a product out of the cart."""

    sku: Sku


class ApplyCoupon(CartCommand):
    """Use a coupon; whether it holds is told by the totals."""

    code: CouponCode
    """The coupon."""


class RemoveCoupon(CartCommand):
    """Do without a coupon."""

    code: CouponCode
    """The coupon."""


class StartCheckout(CartCommand):
    """Begin to check out: the session is made and the stock reserved for a while."""


class SetShippingAddress(CartCommand):
    """Where to ship."""

    address: Address
    """In place of the one before."""


class SetShippingMethod(CartCommand):
    """How to ship: a method of the shop's shipping rules."""

    method: Id
    """Its name in the shipping rules, such as ``standard``."""


class SetPaymentMethod(CartCommand):
    """How to pay."""

    method: PaymentMethod
    """In place of the one before."""


class PreviewCheckout(CartCommand):
    """Ask for the totals as they would be now. Charges and reserves nothing."""


class ConfirmCheckout(CartCommand):
    """Order what is in the cart and pay for it."""

    expected_total: Amount | None = None
    """Minor units of the cart's currency: refuse if the final total differs."""
    checkout_id: Id | None = None
    """Confirm this attempt and no other."""


class AbandonCheckout(CartCommand):
    """Give the checkout up: the reservation is released and the cart is active again."""


class CartEvent(Event, abstract=True):
    """A fact about one cart."""

    topic: ClassVar[str] = "cart.events"
    key_field: ClassVar[str] = "cart_id"
    cart_id: Id


class CheckoutEvent(CartEvent, abstract=True):
    """A fact about one attempt to check a cart out."""

    checkout_id: Id


class CartOpened(CartEvent):
    """The cart exists."""

    currency: Currency
    customer_id: CustomerId


class CartChanged(CartEvent):
    """An active cart holds something else now."""

    items: Items
    """All that is in the cart now."""
    coupons: Annotated[tuple[CouponCode, ...], Field(strict=False)]
    """All coupons on it now, in the order of application."""


class CheckoutStarted(CheckoutEvent):
    """A session exists until ``expires_at``; inventory reserves. Supersedes ``previous_checkout_id``."""

    previous_checkout_id: Id | None
    """The cart's attempt before, whose reservation serves this one."""
    items: Items
    """What to reserve."""
    expires_at: Moment
    """When the session expires."""


class CheckoutAlreadyStarted(CheckoutEvent):
    """A second start of the same checkout: here is the session there is."""

    command_id: str
    """The second start."""
    items: Items
    """All that is in the cart now."""
    missing: Annotated[tuple[str, ...], Field(strict=False)]
    """What is still to choose before the confirmation."""
    expires_at: Moment
    """When the session expires."""


class CheckoutChanged(CheckoutEvent):
    """The cart in checkout holds something else now: inventory changes the reservation."""

    revision: int
    """Counts up; an older one changes nothing."""
    items: Items
    """All that is in the cart now."""


class CheckoutChangeRejected(CheckoutEvent):
    """There are too few units for a change of the cart in checkout: the session goes on with what is reserved."""

    revision: int
    """Of the change, as in ``CheckoutChanged``."""
    items: Items
    """All that is in the cart now."""
    reasons: Annotated[tuple[Reason, ...], Field(strict=False)]
    shortages: Annotated[tuple[Shortage, ...], Field(strict=False)]


class CheckoutDetailsSet(CheckoutEvent):
    """An address, a shipping method or a payment method was chosen."""

    missing: Annotated[tuple[str, ...], Field(strict=False)]
    """What is still to choose before the confirmation."""


class PreviewRequested(CartEvent):
    """The totals of this quote are wanted."""

    checkout_id: Id | None
    """The attempt, where one is under way."""
    command_id: str
    """The preview command, to be named in the answer."""
    quote: Quote
    """The cart as it is, without how it will be paid."""


class CheckoutRejected(CartEvent):
    """Step 1 or 2 failed, with every reason. The session goes on; changed prices are in the quote now."""

    checkout_id: Id | None
    """The attempt, where one is under way."""
    command_id: str
    reasons: Annotated[tuple[Reason, ...], Field(strict=False)]


class CheckoutConfirmed(CheckoutEvent):
    """Steps 1 and 2 are done: the cart is locked, the quote is final."""

    command_id: str
    revision: int
    """Of the cart's content, as in ``CheckoutChanged``."""
    quote: Quote
    """What is ordered, at the prices the customer saw."""
    expected_total: Amount | None
    """Minor units the customer expects to pay, where they said it."""
    previous_checkout_id: Id | None = None
    """The cart's attempt before, which is over. Older events do not say."""


class CheckoutAlreadyConfirmed(CheckoutEvent):
    """A second confirmation of the same checkout: here is what became of the first."""

    command_id: str
    """The second confirmation."""
    state: Literal["in_progress", "completed", "failed"]
    """How far the first has come."""
    order_number: str | None
    """Its order, once that is confirmed."""


class CheckoutAbandoned(CheckoutEvent):
    """The customer gave up, or the session expired. A locked cart stays locked until order's verdict."""

    by: Literal["customer", "timeout"]
    """``timeout``: nobody confirmed before the session expired."""


class CartReopened(CheckoutEvent):
    """The checkout came to nothing and the cart is active again, for reasons a customer may see."""

    reasons: Annotated[tuple[Reason, ...], Field(strict=False)]
    shortages: Annotated[tuple[Shortage, ...], Field(strict=False)] = ()
    """Where stock was the reason: what is missing."""


class CheckoutCompleted(CheckoutEvent):
    """Cleanup is done (step 9): the cart is inactive and the session deleted."""

    order_number: str
