"""The cart, its checkout session, and what the cart knows of products."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from shared.contract.message import MAX_COUPONS, MAX_LINES
from shared.contract.values import Address, Item, PaymentMethod, Quote, QuoteLine, Reason, attempt_id, item_of
from shared.money import display

MAX_QUANTITY = 10_000
MAX_CART_ID = 64
"""Characters of the longest name of a cart: the names of its attempts, which are longer, must be identifiers too."""


NO_CART = "no such cart: open it first, and send every command with the cart's id as its Kafka key"
"""Why a command that overtook its :class:`OpenCart`, on another partition, is refused too."""


@dataclass(frozen=True)
class Policy:
    """What the shop decided: ``session_seconds`` is how long a checkout may stand open."""

    session_seconds: int


class CartState(StrEnum):
    """``active`` → ``checkout`` → ``locked`` → ``inactive``; back to ``active`` when a checkout fails."""

    ACTIVE = "active"
    CHECKOUT = "checkout"
    LOCKED = "locked"
    INACTIVE = "inactive"


_STANDS: Final = {
    CartState.ACTIVE: "no checkout is in progress; start one first",
    CartState.CHECKOUT: "this cart is already in checkout",
    CartState.LOCKED: "this checkout is confirmed; the cart cannot change until it ends",
    CartState.INACTIVE: "this cart is ordered; open a new one",
}
"""What a customer reads whose command does not fit the state of the cart."""


@dataclass(slots=True)
class Product:
    """What the catalogue last said of a SKU.

    ``prices``: minor units by currency. ``ignored``: currencies of other prices, which this shop does not know.
    ``position``: where it said so.
    """

    sku: str
    name: str = ""
    prices: dict[str, int] = field(default_factory=dict)
    tax_category: str = ""
    weight_grams: int = 0
    listed: bool = False
    position: int = -1
    ignored: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Session:
    """From ``StartCheckout`` to cleanup."""

    checkout_id: str
    revision: int = 0
    address: Address | None = None
    shipping_method: str | None = None
    payment_method: PaymentMethod | None = None
    abandoned: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """What is still to be chosen before the confirmation."""
        parts = {
            "shipping_address": self.address,
            "shipping_method": self.shipping_method,
            "payment_method": self.payment_method,
        }
        return tuple(name for name, part in parts.items() if part is None)


class RuleError(Exception):
    """A command asks for what cannot be; ``reasons`` are for the customer."""

    def __init__(self, *reasons: Reason) -> None:
        self.reasons = reasons


@dataclass(slots=True)
class Cart:
    """A cart: lines with the prices the customer was shown. ``due_at``: when the session expires.

    ``failed``: whether the latest attempt was confirmed and came to nothing. ``position``: the offset of the latest
    command that was granted.
    """

    cart_id: str
    state: CartState | None = None
    currency: str = ""
    customer_id: str = ""
    lines: dict[str, QuoteLine] = field(default_factory=dict)
    coupons: list[str] = field(default_factory=list)
    attempts: int = 0
    session: Session | None = None
    order_number: str | None = None
    failed: bool = False
    position: int = -1
    due_at: datetime | None = None

    @property
    def checkout_id(self) -> str | None:
        """The latest attempt to check this cart out."""
        return self._attempt(self.attempts)

    @property
    def previous_checkout_id(self) -> str | None:
        """The attempt before the latest."""
        return self._attempt(self.attempts - 1)

    def _attempt(self, number: int) -> str | None:
        return attempt_id(self.cart_id, number) if number > 0 else None

    @property
    def items(self) -> tuple[Item, ...]:
        """What is in the cart."""
        return tuple(item_of(line.sku, line.quantity) for line in self.lines.values())

    @property
    def quote(self) -> Quote:
        """The cart as it stands, with all that was chosen."""
        session = self.session
        return Quote(
            currency=self.currency,
            customer_id=self.customer_id,
            lines=tuple(self.lines.values()),
            coupons=tuple(self.coupons),
            shipping_address=session.address if session else None,
            shipping_method=session.shipping_method if session else None,
            payment_method=session.payment_method if session else None,
        )

    def require(self, *states: CartState) -> None:
        """Raises :class:`RuleError` where the cart is in none of these states."""
        if self.state is None:
            raise RuleError(Reason(code="no_cart", message=NO_CART))
        if self.state not in states:
            raise RuleError(Reason(code=f"cart_{self.state}", message=_STANDS[self.state]))

    def require_session(self) -> Session:
        """The session of the checkout in progress. Raises :class:`RuleError` where there is none."""
        self.require(CartState.CHECKOUT)
        assert self.session is not None, f"cart {self.cart_id} is in checkout without a session"
        return self.session

    def set_quantity(self, sku: str, quantity: int, product: Product | None) -> None:
        """Have so many units of a product, at its price of now if it is new here. Raises :class:`RuleError`."""
        if product is None or not product.listed:
            raise RuleError(Reason(code="not_sold", message=f"{sku} is not sold", subject=sku))
        price = product.prices.get(self.currency)
        if price is None:
            raise RuleError(Reason(code="no_price", message=f"{sku} is not sold in {self.currency}", subject=sku))
        if quantity > MAX_QUANTITY:
            message = f"a cart can hold at most {MAX_QUANTITY} units of a product"
            raise RuleError(Reason(code="too_many_units", message=message, subject=sku))
        if sku not in self.lines and len(self.lines) >= MAX_LINES:
            raise RuleError(Reason(code="too_many_lines", message=f"a cart can hold at most {MAX_LINES} different products"))
        line = self.lines.get(sku) or _line(product, quantity, price)
        self.lines[sku] = line.model_copy(update={"quantity": quantity})

    def keep(self, items: Iterable[Item]) -> None:
        """Have these units of what is in the cart, and nothing else."""
        kept = {item.sku: item.quantity for item in items}
        self.lines = {sku: line.model_copy(update={"quantity": kept[sku]}) for sku, line in self.lines.items() if sku in kept}

    def add_coupon(self, code: str) -> None:
        """Raises :class:`RuleError` where it is there already or there are too many."""
        if code in self.coupons:
            raise RuleError(Reason(code="coupon_applied", message="this coupon is already applied", subject=code))
        if len(self.coupons) >= MAX_COUPONS:
            raise RuleError(Reason(code="too_many_coupons", message=f"a cart can have at most {MAX_COUPONS} coupons"))
        self.coupons.append(code)

    def start(self, session_ends: datetime) -> str:
        """Begin an attempt and return its id."""
        self.attempts += 1
        checkout_id = attempt_id(self.cart_id, self.attempts)
        self.state, self.session, self.due_at = CartState.CHECKOUT, Session(checkout_id), session_ends
        self.failed = False
        return checkout_id

    def faults(self, products: Mapping[str, Product]) -> tuple[Reason, ...]:
        """All that stands against confirming (step 2)."""
        assert self.session is not None
        faults = [
            Reason(code=f"no_{name}", message=f"choose a {name.replace('_', ' ')}", subject=name)
            for name in self.session.missing
        ]
        if not self.lines:
            faults.append(Reason(code="empty_cart", message="the cart is empty"))
        faults += [fault for line in self.lines.values() if (fault := self._price_fault(line, products.get(line.sku)))]
        return tuple(faults)

    def _price_fault(self, line: QuoteLine, product: Product | None) -> Reason | None:
        price = product.prices.get(self.currency) if product and product.listed else None
        if price is None:
            return Reason(code="not_sold", message=f"{line.name} is no longer sold", subject=line.sku)
        if price != line.unit_price:
            before, after = display(line.unit_price, self.currency), display(price, self.currency)
            return Reason(code="price_changed", message=f"{line.name} now costs {after}, not {before}", subject=line.sku)
        return None

    def requote(self, products: Mapping[str, Product]) -> None:
        """Take the prices of now for what is still sold: the customer has been told of them."""
        for sku, line in self.lines.items():
            product = products.get(sku)
            if product and product.listed and self.currency in product.prices:
                self.lines[sku] = _line(product, line.quantity, product.prices[self.currency])

    def lock(self) -> None:
        """Step 2 is done: nothing changes until the checkout's end."""
        self.state, self.due_at = CartState.LOCKED, None

    def reopen(self) -> None:
        """The attempt is over and came to nothing."""
        self.failed = self.state is CartState.LOCKED
        self.state, self.session, self.due_at = CartState.ACTIVE, None, None

    def complete(self, order_number: str) -> None:
        """Cleanup: the order stands, the session is deleted (step 9)."""
        self.state, self.session, self.due_at, self.order_number = CartState.INACTIVE, None, None, order_number


def _line(product: Product, quantity: int, price: int) -> QuoteLine:
    return QuoteLine(
        sku=product.sku,
        name=product.name,
        quantity=quantity,
        unit_price=price,
        tax_category=product.tax_category,
        weight_grams=product.weight_grams,
    )


def skus(cart: Cart, *_: object) -> Iterable[str]:
    """The products a cart holds."""
    return cart.lines
