"""What is kept of a message's content: enough to tell the story, and no personal data that can be left out.

Of an address only the country is kept, of a payment method only its kind; customers' ids, product names on a cart and the
lines of a bill are left out. Kept are ids of carts, checkouts and orders, SKUs and quantities, amounts, coupons, reasons
(a customer's words for a cancellation among them), and who of the staff did what, and why.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, get_args

from shared.contract.message import Message, Value
from shared.contract.values import Address, PaymentMethod, QuoteLine, Totals, TotalsLine

Spec = dict[str, Any]

_LEFT_OUT: Final = frozenset({"customer_id"})
_COLUMNS: Final = frozenset({"checkout_id"})
"""Kept beside the essence."""
_REDUCED: Final[Mapping[type[Value], frozenset[str]]] = {
    Address: frozenset({"country"}),
    PaymentMethod: frozenset({"kind"}),
    QuoteLine: frozenset({"sku", "quantity", "unit_price"}),
    TotalsLine: frozenset(),
    Totals: frozenset(Totals.model_fields) - {"lines"},
}
"""Of these values only so much."""


def essence(message: Message) -> dict[str, Any]:
    """What is kept of a message, as JSON values."""
    kept: dict[str, Any] = message.model_dump(mode="json", include=_of_message(type(message)), exclude_none=True)
    return kept


@cache
def _of_message(kind: type[Message]) -> Spec:
    return {name: spec for name, spec in _of_value(kind).items() if name not in _COLUMNS | {kind.key_field}}


def _of_value(kind: type[Value]) -> Spec:
    names = _REDUCED.get(kind, frozenset(kind.model_fields)) - _LEFT_OUT
    return {name: _of_field(kind.model_fields[name].annotation) for name in kind.model_fields if name in names}


def _of_field(annotation: Any) -> Any:
    """What pydantic is to include of a field: all, or a part of the values in it."""
    if isinstance(annotation, type) and issubclass(annotation, Value):
        return _of_value(annotation)
    for argument in get_args(annotation):
        spec = _of_field(argument)
        if spec is not True:
            return {"__all__": spec} if getattr(annotation, "__origin__", None) is tuple else spec
    return True
