"""Formats an entry for people: its content in one line, and whether it is a failure or undoes something."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.journal.model import Entry, Form
from shared.contract.text import plain
from shared.money import EXPONENTS, display

Facts = Mapping[str, Any]


class Mark(StrEnum):
    """How an entry is highlighted: a failure, something undone because of one, or a successful end."""

    FAILED = "failed"
    UNDONE = "undone"
    DONE = "done"


_MARKS: Final = {
    Mark.FAILED: (
        "CheckoutRejected", "CheckoutChangeRejected", "CommandRejected", "OrderRejected",
        "ReservationChangeRejected", "ReservationFailed", "ReservationLost", "ReservationExpired",
        "PaymentDeclined", "CaptureFailed", "VoidFailed", "RefundFailed", "AlertOpened", "DeadLetterReturned",
    ),
    Mark.UNDONE: (
        "CheckoutAbandoned", "OrderCancelled", "PaymentVoided", "PaymentRefunded", "ReservationReleased", "StockReturned",
        "CartReopened",
    ),
    Mark.DONE: ("OrderConfirmed", "CheckoutCompleted"),
}  # fmt: skip
_MARK_OF: Final = {kind: mark for mark, kinds in _MARKS.items() for kind in kinds}


def mark(entry: Entry) -> Mark | None:
    """The highlight of an entry, if it has one."""
    if entry.form in (Form.REFUSED, Form.UNREADABLE, Form.DEAD_LETTER):
        return Mark.FAILED
    return _MARK_OF.get(entry.kind or "") if entry.form is Form.MESSAGE else None


def title(entry: Entry) -> str:
    """The type of the message, or what else the record is."""
    if entry.form is Form.UNREADABLE:
        return "unreadable record"
    if entry.form is Form.DEAD_LETTER:
        return "dead letter"
    return f"{entry.kind or 'unreadable record'} again" if entry.form is Form.COPY else entry.kind or "a record"


def format_entry(entry: Entry) -> str:
    """Format the content of an entry in one line without control characters."""
    return plain(_format(entry))


def _format(entry: Entry) -> str:
    if failure := entry.facts.get("failure"):
        return _failure(entry, failure)
    if entry.form is Form.COPY:
        return f"republished on {entry.topic}"
    formatter = _FORMATTERS.get(entry.kind or "", _default)
    try:
        return formatter(entry.facts)
    except (KeyError, TypeError, ValueError, AttributeError):  # facts of another version of the message
        return _default(entry.facts)


def format_amount(minor_units: Any, currency: Any) -> str:
    """Format an amount, also in a currency that is no longer known."""
    return display(minor_units, currency) if currency in EXPONENTS else f"{minor_units} {currency}"


def format_time(moment: datetime) -> str:
    """Format the time of day, UTC, in milliseconds."""
    return moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def format_reasons(facts: Facts) -> str:
    """Format the reasons of a message, as customers see them."""
    return "; ".join(str(reason["message"]) for reason in facts.get("reasons", ()))


def format_shortages(facts: Facts) -> str:
    """Format which items were short, and by how much."""
    return ", ".join(f"{s['available']} of {s['wanted']} {s['sku']} left" for s in facts["shortages"])


def count(number: int, noun: str) -> str:
    """Format a number with its noun: ``1 attempt``, ``8 attempts``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _failure(entry: Entry, failure: Facts) -> str:
    who = failure.get("service")
    stage = failure.get("stage")
    if stage == "compensation":
        return f"needs a person: {failure['error']}"
    if entry.form is Form.DEAD_LETTER:
        did = "read it" if stage == "read" else f"handle it ({stage})"
        return f"{who or 'unknown service'} could not {did}: {failure['error']} [{failure.get('origin', '?')}]"
    return str(failure["error"])


def _default(facts: Facts) -> str:
    if "by" in facts and "why" in facts:
        return _staff(facts)
    return ", ".join(f"{name} {value}" for name, value in facts.items() if isinstance(value, str | int))


def _items(facts: Facts) -> str:
    return ", ".join(f"{item['quantity']} × {item['sku']}" for item in facts["items"]) or "no items"


def _until(facts: Facts) -> str:
    return f"{_items(facts)}, until {format_time(datetime.fromisoformat(facts['expires_at']))[:8]}"


def _money(facts: Facts) -> str:
    return format_amount(facts["amount"], facts["currency"])


def _quote(facts: Facts) -> str:
    quote = facts["quote"]
    currency = quote["currency"]
    lines = ", ".join(f"{q['quantity']} × {q['sku']} at {format_amount(q['unit_price'], currency)}" for q in quote["lines"])
    chosen = [
        quote.get("payment_method", {}).get("kind", "").replace("_", " "),
        f"{quote.get('shipping_method', '')} to {quote.get('shipping_address', {}).get('country', '?')}",
        f"coupons {', '.join(quote['coupons'])}" if quote.get("coupons") else "",
        f"expecting {format_amount(facts['expected_total'], currency)}" if facts.get("expected_total") is not None else "",
    ]
    return "; ".join([lines, *(choice for choice in chosen if choice)])


def _totals(facts: Facts) -> str:
    totals = facts.get("totals")
    if totals is None:
        return format_reasons(facts)
    currency = totals["currency"]
    parts = {"discount": totals["discount"], "shipping": totals["shipping"], "tax": totals["tax"]}
    described = [f"goods {format_amount(totals['subtotal'], currency)}"]
    described += [f"{name} {format_amount(value, currency)}" for name, value in parts.items() if value]
    described[-1] += " included" if totals["tax_included"] and totals["tax"] else ""
    return f"{format_amount(totals['total'], currency)} ({', '.join(described)})"


def _order(facts: Facts) -> str:
    totals = facts["totals"]
    return f"{facts['order_number']}, {_items(facts)}, {format_amount(totals['total'], totals['currency'])}"


def _confirmed(facts: Facts) -> str:
    return f"{facts['order_number']}, {format_amount(facts['total'], facts['currency'])} {facts['payment']}"


def _failed_compensation(facts: Facts) -> str:
    authorization = f", authorization {facts['authorization_id']}" if facts.get("authorization_id") else ""
    attempts = count(facts["attempts"], "attempt")
    return f"{_money(facts)}{authorization}; failed after {attempts}: {facts['reason']} ({facts['code']})"


def _retries_nearly_exhausted(facts: Facts) -> str:
    again = format_time(datetime.fromisoformat(facts["next_attempt_at"]))[:8]
    calls = f"{facts['operation']}: {facts['attempts']} of {facts['allowed']} attempts failed, next at {again}"
    return f"{_money(facts)}; {calls}: {facts['reason']} ({facts['code']})"


def _level(change: str) -> Callable[[Facts], str]:
    return lambda f: (
        f"{f[change]:+d}{': ' + f['reason'] if 'reason' in f else ''}; {f['on_hand']} on hand, {f['reserved']} reserved"
    )


def _prices(facts: Facts) -> str:
    prices = ", ".join(format_amount(price, currency) for currency, price in facts["prices"].items())
    return f"{facts['name']}, {prices}"


def _staff(facts: Facts) -> str:
    return f"{facts['by']}: {facts['why']}"


def _quiet(facts: Facts) -> str:
    return ""


_FORMATTERS: Final[dict[str, Callable[[Facts], str]]] = {
    "AddItem": lambda f: f"{f['quantity']} × {f['sku']}",
    "SetQuantity": lambda f: f"{f['quantity']} × {f['sku']}",
    "RemoveItem": lambda f: str(f["sku"]),
    "OpenCart": lambda f: f"in {f['currency']}",
    "CartOpened": lambda f: f"in {f['currency']}",
    "CartChanged": lambda f: _items(f) + (f"; coupons {', '.join(f['coupons'])}" if f["coupons"] else ""),
    "SetShippingAddress": lambda f: f"to {f['address']['country']}",
    "SetShippingMethod": lambda f: str(f["method"]),
    "SetPaymentMethod": lambda f: str(f["method"]["kind"]).replace("_", " "),
    "ConfirmCheckout": lambda f: f"expecting {f['expected_total']} minor units" if "expected_total" in f else "",
    "CheckoutStarted": _until,
    "CheckoutAlreadyStarted": _until,
    "CheckoutChanged": _items,
    "CheckoutChangeRejected": format_reasons,
    "CheckoutDetailsSet": lambda f: f"missing: {', '.join(f['missing'])}" if f["missing"] else "complete",
    "PreviewRequested": _quote,
    "CheckoutPreviewed": _totals,
    "CheckoutRejected": format_reasons,
    "CommandRejected": format_reasons,
    "CheckoutConfirmed": _quote,
    "CheckoutAlreadyConfirmed": lambda f: f"first confirmation: {f['state'].replace('_', ' ')}{_number(f)}",
    "CheckoutAbandoned": lambda f: f"by {f['by']}",
    "CartReopened": format_reasons,
    "CheckoutCompleted": lambda f: str(f["order_number"]),
    "StockReserved": _until,
    "ReservationExtended": _until,
    "ReservationChangeRejected": format_shortages,
    "ReservationFailed": format_shortages,
    "ReservationLost": format_shortages,
    "ReservationExpired": _quiet,
    "ReservationReleased": _quiet,
    "StockCommitted": _items,
    "StockReturned": _items,
    "StockReceived": _level("quantity"),
    "StockAdjusted": _level("delta"),
    "TotalsCalculated": lambda f: f"{_totals(f)} by {f['payment_method']['kind'].replace('_', ' ')}",
    "OrderRejected": format_reasons,
    "OrderCreated": _order,
    "OrderConfirmed": _confirmed,
    "OrderCancelled": lambda f: f"{f['order_number']}: {format_reasons(f)}",
    "CancelOrder": lambda f: f"{f['requested_by']}: {f['reason']}",
    "PaymentAuthorized": _money,
    "PaymentDeclined": lambda f: f"{_money(f)}: {f['reason']} ({f['code']})",
    "PaymentDeferred": lambda f: f"{_money(f)}, {f['because'].replace('_', ' ')}",
    "PaymentCaptured": _money,
    "CaptureFailed": lambda f: f"{_money(f)}: {f['reason']} ({f['code']})",
    "PaymentVoided": lambda f: _money(f) + _by_hand(f),
    "PaymentRefunded": lambda f: _money(f) + _by_hand(f),
    "PaymentMarkedPaid": lambda f: _money(f) + _by_hand(f),
    "RetriesNearlyExhausted": _retries_nearly_exhausted,
    "AuthorizationExpiring": lambda f: f"{_money(f)}, authorized on {f['authorized_at'][:10]}",
    "GatewayInTrouble": lambda f: f"{f['reason']} ({f['code']})",
    "GatewayRecovered": lambda f: f"in trouble since {f['since'][:19]}",
    "ForeignPaymentFound": lambda f: f"{f['found_amount']} {f['found_currency']} under reference {f['gateway_reference']}",
    "VoidFailed": _failed_compensation,
    "RefundFailed": _failed_compensation,
    "SettlementDisputed": lambda f: f"{_staff(f)}; but {f['found']}",
    "AlertOpened": lambda f: str(f["title"]),
    "DeadLetterRedriven": lambda f: f"to {f['service']}, {_staff(f)}",
    "DeadLetterReturned": lambda f: f"failed again in {f['service']}: {f['reason']}",
    "ProductListed": _prices,
    "ProductPriceChanged": _prices,
    "PricesIgnored": lambda f: f"unknown currencies: {', '.join(f['currencies'])}",
}
"""The formatter of each type of message. Others show who decided and why, or else every plain field."""


def _number(facts: Facts) -> str:
    return f", order {facts['order_number']}" if facts.get("order_number") else ""


def _by_hand(facts: Facts) -> str:
    why = f": {facts['why']}" if facts.get("why") else ""
    return f", recorded by {facts['marked_by']}{why}" if facts.get("marked_by") else ""
