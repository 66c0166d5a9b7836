"""Messages of one checkout, for tests: every field that must be there is filled by its name, any can be given."""

from datetime import timedelta
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from shared.contract.cart import ApplyCoupon, CheckoutAbandoned, RemoveCoupon, SetPaymentMethod
from shared.contract.message import Message
from shared.contract.order import CouponDefined, DefineCoupon, OrderConfirmed
from shared.contract.values import Address, Item, PaymentMethod, Quote, QuoteLine, Reason, Shortage, Totals
from tests.support.clock import NOW

M = TypeVar("M", bound=Message)

CART: Final = "cart1"
CHECKOUT: Final = "cart1.1"
NEXT: Final = "cart1.2"
"""The attempt after :data:`CHECKOUT`."""
CARD: Final = PaymentMethod(kind="card", token="tok_ok")
CASH: Final = PaymentMethod(kind="cash_on_delivery")
ADDRESS: Final = Address(name="Ada Example", street="Hauptstr. 1", city="Berlin", postal_code="10115", country="DE")
ITEMS: Final = (Item(sku="tea", quantity=2), Item(sku="cup", quantity=1))
TOTALS: Final = Totals(
    currency="EUR", lines=(), subtotal=2500, discount=0, shipping=490, tax=477, tax_included=True, total=2990
)


def line(sku: str, quantity: int, unit_price: int) -> QuoteLine:
    """A line of a quote."""
    return QuoteLine(sku=sku, name=sku, quantity=quantity, unit_price=unit_price, tax_category="standard", weight_grams=100)


QUOTE: Final = Quote(
    currency="EUR",
    customer_id="ada",
    lines=(line("tea", 2, 1000), line("cup", 1, 500)),
    shipping_address=ADDRESS,
    shipping_method="standard",
    payment_method=CARD,
)
"""Of :data:`ITEMS`, for 29.90 EUR with shipping under the rules that come with the project."""

USUAL: Final[dict[str, Any]] = {
    "address": ADDRESS,
    "alert_id": f"void:{CHECKOUT}",
    "allowed": 8,
    "amount": 2990,
    "attempts": 3,
    "because": "cash_on_delivery",
    "by": "staff",
    "cart_id": CART,
    "checkout_id": CHECKOUT,
    "code": "no_funds",
    "command_id": "m1",
    "command_key": CART,
    "command_type": "quadrille.AddItem.v1",
    "coupons": (),
    "currencies": ("ARS",),
    "currency": "EUR",
    "customer_id": "ada",
    "delta": 1,
    "expected_total": None,
    "found": "the gateway still holds it",
    "expires_at": NOW + timedelta(minutes=30),
    "found_amount": 1490,
    "found_currency": "JPY",
    "gateway": "gateway",
    "gateway_reference": CHECKOUT,
    "authorized_at": NOW,
    "authorization_id": "h1",
    "items": ITEMS,
    "kind": "free_shipping",
    "dead_letter_id": "0123456789abcdef",
    "marked_by": "staff",
    "method": "standard",
    "missing": (),
    "name": "Tea",
    "next_attempt_at": NOW,
    "on_hand": 5,
    "operation": "capture",
    "order_number": "Q-0000001",
    "parked": False,
    "payment": "authorized",
    "payment_method": CARD,
    "previous_checkout_id": None,
    "prices": {"EUR": 1000},
    "quantity": 1,
    "quote": QUOTE,
    "reason": "a reason",
    "reasons": (Reason(code="why", message="because"),),
    "replays": 1,
    "reserved": 2,
    "returned": 1,
    "revision": 0,
    "service": "cart",
    "severity": "critical",
    "since": NOW,
    "shortages": (Shortage(sku="tea", wanted=2, available=1),),
    "sku": "tea",
    "state": "in_progress",
    "text": "what to do",
    "title": "what happened",
    "total": 2990,
    "totals": TOTALS,
    "why": "a reason",
}
"""By field name; the same thing has the same name in every message."""
PECULIAR: Final[dict[type[BaseModel], dict[str, Any]]] = {
    ApplyCoupon: {"code": "TEN"},
    CheckoutAbandoned: {"by": "customer"},
    CouponDefined: {"code": "TEN"},
    DefineCoupon: {"code": "TEN"},
    RemoveCoupon: {"code": "TEN"},
    OrderConfirmed: {"payment": "captured"},
    SetPaymentMethod: {"method": CARD},
}


def a(kind: type[M], **given: Any) -> M:
    """A message of this type, of attempt :data:`CHECKOUT` unless another is given."""
    usual = {**USUAL, **PECULIAR.get(kind, {})}
    fields = {name: usual[name] for name, field in kind.model_fields.items() if field.is_required() and name not in given}
    return kind(**fields, **given)
