"""An example of every message. All tell of one checkout: two mugs for Ada, with a coupon, by card.

A field says the same in every message, so a new message has its example as soon as it exists; where a field means
something else, or a name is new and what is made up for it says nothing, its words stand below.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import ValidationError

from devstack.reference.schemas import Schema, definitions, label
from shared.contract.envelope import Envelope, Record, message_id, write
from shared.contract.message import Command, Message

AT: Final = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
"""When every example happened."""
TRACE: Final = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

_ADDRESS: Final = {
    "name": "Ada Lovelace",
    "street": "Invalidenstraße 43",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}
_CARD: Final = {"kind": "card", "token": "tok_approve"}
_MUG: Final = {"name": "Mug, blue", "tax_category": "standard", "weight_grams": 380}
_SHORTAGE: Final = {"sku": "mug-blue", "wanted": 2, "available": 1}
_TOTALS: Final = {
    "currency": "EUR",
    "lines": [
        {
            "sku": "mug-blue",
            "quantity": 2,
            "unit_price": 1290,
            "subtotal": 2580,
            "discount": 258,
            "tax": 371,
            "total": 2322,
        }
    ],
    "coupons": [{"code": "WELCOME10", "discount": 258, "shipping_discount": 0}],
    "subtotal": 2580,
    "discount": 258,
    "shipping": 490,
    "shipping_discount": 0,
    "shipping_tax": 78,
    "tax": 449,
    "tax_included": True,
    "total": 2812,
}

EVERYWHERE: Final[dict[str, Any]] = {
    **_MUG,
    "address": _ADDRESS,
    "amount": 2812,
    "attempts": 8,
    "because": "cash_on_delivery",
    "by": "kim.support",
    "cart_id": "cart-1001",
    "checkout_id": "cart-1001.1",
    "code": "WELCOME10",
    "command_id": "0f6e9a52-4f0b-4a57-9d0e-6d1b1c2f7a10",
    "command_key": "cart-1001",
    "command_type": "quadrille.AddItem.v1",
    "coupons": ["WELCOME10"],
    "currencies": ["ARS"],
    "currency": "EUR",
    "customer_id": "customer-7",
    "delta": -1,
    "expected_total": 2812,
    "expires_at": "2026-03-14T09:41:53Z",
    "gateway_reference": "cart-1001.1",
    "authorization_id": "pi_5QXw",
    "items": [{"sku": "mug-blue", "quantity": 2}],
    "marked_by": None,
    "method": "standard",
    "missing": ["payment_method"],
    "on_hand": 40,
    "order_number": "Q-0004471",
    "payment_method": _CARD,
    "previous_checkout_id": None,
    "prices": {"EUR": 1290, "USD": 1450},
    "quantity": 2,
    "quote": {
        "currency": "EUR",
        "customer_id": "customer-7",
        "lines": [{"sku": "mug-blue", "quantity": 2, "unit_price": 1290, **_MUG}],
        "coupons": ["WELCOME10"],
        "shipping_address": _ADDRESS,
        "shipping_method": "standard",
        "payment_method": _CARD,
    },
    "reason": "one was broken",
    "reasons": [{"code": "out_of_stock", "message": "1 of 2 units of mug-blue are available", "subject": "mug-blue"}],
    "requested_by": "customer",
    "reserved": 2,
    "revision": 1,
    "shortages": [_SHORTAGE],
    "sku": "mug-blue",
    "total": 2812,
    "totals": _TOTALS,
    "why": "settled at the gateway by hand, ticket 3141",
}
"""What a field says, by its name."""

_NO_CAPTURE: Final = {"code": "capture_declined", "reason": "the payment could not be completed"}
_NO_ANSWER: Final = {"code": "unavailable", "reason": "the gateway did not answer"}
INSTEAD: Final[dict[str, dict[str, Any]]] = {
    "CancelOrder": {"reason": "changed my mind"},
    "CaptureFailed": _NO_CAPTURE,
    "CheckoutAlreadyConfirmed": {"state": "completed"},
    "CheckoutAbandoned": {"by": "timeout"},
    "CheckoutPreviewed": {"reasons": []},
    "CheckoutRejected": {
        "reasons": [{"code": "price_changed", "message": "Mug, blue now costs 13.90 EUR, not 12.90 EUR", "subject": "mug-blue"}]
    },
    "CommandRejected": {
        "reasons": [{"code": "unknown_product", "message": "mug-green is not sold here", "subject": "mug-green"}]
    },
    "CartReopened": {"shortages": [_SHORTAGE]},
    "DefineCoupon": {
        "kind": "percentage",
        "percent_off": 1000,
        "amount_off": None,
        "minimum_subtotal": {"EUR": 2000},
        "valid_from": "2026-03-01T00:00:00Z",
        "valid_until": "2026-04-01T00:00:00Z",
        "limit": 500,
    },
    "ForeignPaymentFound": {"authorization_id": "pi_5e0c", "found_amount": 1490, "found_currency": "JPY"},
    "GatewayInTrouble": {"gateway": "gateway", "code": "api_key_invalid", "reason": "the gateway answered HTTP 401"},
    "GatewayRecovered": {"gateway": "gateway"},
    "MarkPaid": {"why": "the carrier handed over the cash"},
    "RetriesNearlyExhausted": {**_NO_ANSWER, "operation": "capture", "attempts": 6, "allowed": 8},
    "OrderCancelled": {
        "reasons": [{"code": "cancelled", "message": "cancelled by customer: changed my mind", "subject": None}]
    },
    "OrderRejected": {
        "reasons": [
            {
                "code": "total_differs",
                "message": "the total is 28.12 EUR, which is not the expected total",
                "subject": "expected_total",
            }
        ]
    },
    "PaymentDeclined": {"code": "card_declined", "reason": "The card was declined; please try another one."},
    "PaymentMarkedPaid": {"marked_by": "kim.support"},
    "ReceiveStock": {"quantity": 40},
    "RefundFailed": _NO_ANSWER,
    "RetryRefund": {"why": "the gateway is back"},
    "RetryVoid": {"why": "the gateway is back"},
    "SetPaymentMethod": {"method": _CARD},
    "SettlementDisputed": {
        "why": "bank transfer 4711",
        "found": "the gateway captured 28.12 EUR and has not refunded it (its payment pi_3f1c)",
    },
    "StockReceived": {"quantity": 40, "reserved": 0},
    "VoidFailed": _NO_ANSWER,
}
"""What a field says in one message, where it differs."""
_TEXTS: Final = ("EXAMPLE", "example", "0123456789abcdef")
"""The first that its pattern takes is made up for a text."""


class ExampleError(Exception):
    """What was made up for a message is none: words must be written for it."""


def example(kind: type[Message]) -> dict[str, Any]:
    """The body of a message as JSON; of an event, as its service writes it. Raises :class:`ExampleError`."""
    values = definitions([kind], "#/$defs/")
    said = _fields(values[label(kind)], values, EVERYWHERE | INSTEAD.get(kind.__name__, {}))
    return said if issubclass(kind, Command) else _read(kind, said).model_dump(mode="json")


def _read(kind: type[Message], body: dict[str, Any]) -> Message:
    try:
        return kind.model_validate_json(json.dumps(body))
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"])) or "fields"
        raise ExampleError(
            f"write an example of {kind.__name__}'s {field} in devstack/reference/examples.py: {fault['msg']}"
        ) from None


def record(kind: type[Message], source: str) -> Record:
    """The example as the Kafka record it travels in; ``source``: who sends it, as CloudEvents has it."""
    body = _read(kind, example(kind))
    cause: str = EVERYWHERE["command_id"]
    if issubclass(kind, Command):
        envelope = Envelope(cause, source, kind.type_name(), body.key, cause)
    else:
        own = message_id(source, cause, 0)
        envelope = Envelope(own, source, kind.type_name(), body.key, cause, cause, TRACE)
    headers, value = write(envelope, body, AT)
    return Record(kind.topic, 0, 0, body.key.encode(), value, headers, int(AT.timestamp() * 1000))


def _fields(schema: Schema, values: dict[str, Schema], said: dict[str, Any]) -> dict[str, Any]:
    fields = schema.get("properties", {})
    return {name: said[name] if name in said else _made_up(part, values) for name, part in fields.items()}


def _made_up(schema: Schema, values: dict[str, Schema]) -> Any:
    """Something a schema takes, for a field nobody has found words for yet."""
    match schema:
        case {"$ref": str(place)}:
            return _made_up(values[place.rsplit("/", 1)[1]], values)
        case {"anyOf": [first, *_]}:
            return _made_up(first, values)
        case {"enum": [first, *_]} | {"const": first}:
            return first
        case {"type": "object"}:
            return _fields(schema, values, EVERYWHERE)
        case {"type": "array", "items": items}:
            return [_made_up(items, values)]
        case {"type": "integer" | "number"}:
            return max(1, schema.get("minimum", 1))
        case {"type": "boolean"}:
            return True
        case {"type": "string", "format": "date-time"}:
            return AT.isoformat()
        case {"type": "string"}:
            pattern = schema.get("pattern", "")
            return next((text for text in _TEXTS if re.search(pattern, text)), None)
    return None
