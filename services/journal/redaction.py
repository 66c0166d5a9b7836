"""Redacts a message to what the journal stores: enough for a timeline, and as little personal data as possible.

Addresses are reduced to the country and payment methods to their kind. Customer ids, product names and the lines of totals
are removed. Stored are the ids of carts, checkouts and orders, SKUs and quantities, amounts, coupons, reasons (including a
customer's text for a cancellation), and which staff member did what, and why.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final, get_args

from shared.contract.message import Message, Value
from shared.contract.values import Address, PaymentMethod, QuoteLine, Totals, TotalsLine

Spec = dict[str, Any]

_REMOVED: Final = frozenset({"customer_id"})
_COLUMNS: Final = frozenset({"checkout_id"})
"""Stored in columns of their own."""
_REDUCED: Final[Mapping[type[Value], frozenset[str]]] = {
    Address: frozenset({"country"}),
    PaymentMethod: frozenset({"kind"}),
    QuoteLine: frozenset({"sku", "quantity", "unit_price"}),
    TotalsLine: frozenset(),
    Totals: frozenset(Totals.model_fields) - {"lines"},
}
"""The fields that are stored of these values."""


def redact(message: Message) -> dict[str, Any]:
    """Reduce a message to what is stored, as JSON values."""
    kept: dict[str, Any] = message.model_dump(mode="json", include=_of_message(type(message)), exclude_none=True)
    return kept


@cache
def _of_message(kind: type[Message]) -> Spec:
    return {name: spec for name, spec in _of_value(kind).items() if name not in _COLUMNS | {kind.key_field}}


def _of_value(kind: type[Value]) -> Spec:
    names = _REDUCED.get(kind, frozenset(kind.model_fields)) - _REMOVED
    return {name: _of_field(kind.model_fields[name].annotation) for name in kind.model_fields if name in names}


def _of_field(annotation: Any) -> Any:
    """What pydantic includes of a field: all of it, or some fields of its values."""
    if isinstance(annotation, type) and issubclass(annotation, Value):
        return _of_value(annotation)
    for argument in get_args(annotation):
        spec = _of_field(argument)
        if spec is not True:
            return {"__all__": spec} if getattr(annotation, "__origin__", None) is tuple else spec
    return True
