"""Entries in words, for people: what happened in one line, and whether it went wrong or undid something."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.journal.model import Entry, Form
from shared.contract.text import plain
from shared.money import EXPONENTS, display

Facts = Mapping[str, Any]


class Mark(StrEnum):
    """How an entry is to be seen: something failed, something was undone because of that, or an end was reached."""

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
    """How an entry is to be seen, if in any special way."""
    if entry.form in (Form.REFUSED, Form.UNREADABLE, Form.DEAD_LETTER):
        return Mark.FAILED
    return _MARK_OF.get(entry.kind or "") if entry.form is Form.MESSAGE else None


def title(entry: Entry) -> str:
    """What it is: the message's type, or that it is none."""
    if entry.form is Form.UNREADABLE:
        return "unreadable record"
    if entry.form is Form.DEAD_LETTER:
        return "dead letter"
    return f"{entry.kind or 'unreadable record'} again" if entry.form is Form.COPY else entry.kind or "a record"


def words(entry: Entry) -> str:
    """What an entry says, in one line that a terminal survives."""
    return plain(_told(entry))


def _told(entry: Entry) -> str:
    if failure := entry.facts.get("failure"):
        return _failure(entry, failure)
    if entry.form is Form.COPY:
        return f"published again on {entry.topic}"
    tell = _WORDS.get(entry.kind or "", _anything)
    try:
        return tell(entry.facts)
    except (KeyError, TypeError, ValueError, AttributeError):  # facts of another version than these words
        return _anything(entry.facts)


def amount(minor_units: Any, currency: Any) -> str:
    """An amount for people, also one in a currency nobody knows any more."""
    return display(minor_units, currency) if currency in EXPONENTS else f"{minor_units} {currency}"


def clock(moment: datetime) -> str:
    """The time of day, UTC, to the millisecond."""
    return moment.strftime("%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def reasons(facts: Facts) -> str:
    """The reasons a message gives, as the customer may see them."""
    return "; ".join(str(reason["message"]) for reason in facts.get("reasons", ()))


def shortages(facts: Facts) -> str:
    """The units that were short."""
    return ", ".join(f"{s['available']} of {s['wanted']} {s['sku']} left" for s in facts["shortages"])


def _failure(entry: Entry, failure: Facts) -> str:
    who = failure.get("service")
    stage = failure.get("stage")
    if stage == "compensation":
        return f"for a person to settle: {failure['error']}"
    if entry.form is Form.DEAD_LETTER:
        did = "read it" if stage == "read" else f"handle it ({stage})"
        return f"{who or 'somebody'} could not {did}: {failure['error']} [{failure.get('origin', '?')}]"
    return str(failure["error"])


def _anything(facts: Facts) -> str:
    plain = {name: value for name, value in facts.items() if isinstance(value, str | int)}
    return ", ".join(f"{name} {value}" for name, value in plain.items())


def _items(facts: Facts) -> str:
    return ", ".join(f"{item['quantity']} × {item['sku']}" for item in facts["items"]) or "nothing"


def _until(facts: Facts) -> str:
    return f"{_items(facts)}, until {clock(datetime.fromisoformat(facts['expires_at']))[:8]}"


def _money(facts: Facts) -> str:
    return amount(facts["amount"], facts["currency"])


def _quote(facts: Facts) -> str:
    quote = facts["quote"]
    currency = quote["currency"]
    lines = ", ".join(f"{q['quantity']} × {q['sku']} at {amount(q['unit_price'], currency)}" for q in quote["lines"])
    chosen = [
        quote.get("payment_method", {}).get("kind", "").replace("_", " "),
        f"{quote.get('shipping_method', '')} to {quote.get('shipping_address', {}).get('country', '?')}",
        f"coupons {', '.join(quote['coupons'])}" if quote.get("coupons") else "",
        f"expecting {amount(facts['expected_total'], currency)}" if facts.get("expected_total") is not None else "",
    ]
    return "; ".join([lines, *(choice for choice in chosen if choice)])


def _totals(facts: Facts) -> str:
    totals = facts.get("totals")
    if totals is None:
        return reasons(facts)
    currency = totals["currency"]
    parts = {"discount": totals["discount"], "shipping": totals["shipping"], "tax": totals["tax"]}
    told = [f"goods {amount(totals['subtotal'], currency)}"]
    told += [f"{name} {amount(value, currency)}" for name, value in parts.items() if value]
    told[-1] += " included" if totals["tax_included"] and totals["tax"] else ""
    return f"{amount(totals['total'], currency)} ({', '.join(told)})"


def _order(facts: Facts) -> str:
    totals = facts["totals"]
    return f"{facts['order_number']}, {_items(facts)}, {amount(totals['total'], totals['currency'])}"


def _confirmed(facts: Facts) -> str:
    return f"{facts['order_number']}, {amount(facts['total'], facts['currency'])} {facts['payment']}"


def _stuck_money(facts: Facts) -> str:
    hold = f", hold {facts['hold']}" if facts.get("hold") else ""
    return f"{_money(facts)}{hold}; given up after {facts['attempts']} attempts: {facts['reason']} ({facts['code']})"


def _nearly_given_up(facts: Facts) -> str:
    again = clock(datetime.fromisoformat(facts["next_attempt_at"]))[:8]
    calls = f"{facts['operation']}: {facts['attempts']} of {facts['allowed']} calls failed, again at {again}"
    return f"{_money(facts)}; {calls}: {facts['reason']} ({facts['code']})"


def _level(change: str) -> Callable[[Facts], str]:
    return lambda f: (
        f"{f[change]:+d}{': ' + f['reason'] if 'reason' in f else ''}; {f['on_hand']} on hand, {f['reserved']} reserved"
    )


def _prices(facts: Facts) -> str:
    prices = ", ".join(amount(price, currency) for currency, price in facts["prices"].items())
    return f"{facts['name']}, {prices}"


def _staff(facts: Facts) -> str:
    return f"{facts['by']}: {facts['why']}"


def _quiet(facts: Facts) -> str:
    return ""


_WORDS: Final[dict[str, Callable[[Facts], str]]] = {
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
    "CheckoutChangeRejected": reasons,
    "CheckoutDetailsSet": lambda f: f"still to choose: {', '.join(f['missing'])}" if f["missing"] else "all is chosen",
    "PreviewRequested": _quote,
    "CheckoutPreviewed": _totals,
    "CheckoutRejected": reasons,
    "CommandRejected": reasons,
    "CheckoutConfirmed": _quote,
    "CheckoutAlreadyConfirmed": lambda f: f"the first is {f['state'].replace('_', ' ')}{_number(f)}",
    "CheckoutAbandoned": lambda f: f"by {f['by']}",
    "CartReopened": reasons,
    "CheckoutCompleted": lambda f: str(f["order_number"]),
    "StockReserved": _until,
    "ReservationExtended": _until,
    "ReservationChangeRejected": shortages,
    "ReservationFailed": shortages,
    "ReservationLost": shortages,
    "ReservationExpired": _quiet,
    "ReservationReleased": _quiet,
    "StockCommitted": _items,
    "StockReturned": _items,
    "StockReceived": _level("quantity"),
    "StockAdjusted": _level("delta"),
    "TotalsCalculated": lambda f: f"{_totals(f)} by {f['payment_method']['kind'].replace('_', ' ')}",
    "OrderRejected": reasons,
    "OrderCreated": _order,
    "OrderConfirmed": _confirmed,
    "OrderCancelled": lambda f: f"{f['order_number']}: {reasons(f)}",
    "CancelOrder": lambda f: f"{f['requested_by']}: {f['reason']}",
    "PaymentAuthorized": _money,
    "PaymentDeclined": lambda f: f"{_money(f)}: {f['reason']} ({f['code']})",
    "PaymentDeferred": lambda f: f"{_money(f)}, {f['because'].replace('_', ' ')}",
    "PaymentCaptured": _money,
    "CaptureFailed": lambda f: f"{_money(f)}: {f['reason']} ({f['code']})",
    "PaymentVoided": lambda f: _money(f) + _by_hand(f),
    "PaymentRefunded": lambda f: _money(f) + _by_hand(f),
    "PaymentMarkedPaid": lambda f: _money(f) + _by_hand(f),
    "OperationNearlyGivenUp": _nearly_given_up,
    "HoldNearlyLapsed": lambda f: f"{_money(f)}, held since {f['held_since'][:10]}",
    "GatewayInTrouble": lambda f: f"{f['reason']} ({f['code']})",
    "GatewayRecovered": lambda f: f"it was in trouble since {f['since'][:19]}",
    "ForeignPaymentFound": lambda f: f"{f['found_amount']} {f['found_currency']} under our reference {f['gateway_reference']}",
    "VoidFailed": _stuck_money,
    "RefundFailed": _stuck_money,
    "RetryVoid": _staff,
    "RetryRefund": _staff,
    "MarkVoided": _staff,
    "MarkRefunded": _staff,
    "MarkPaid": _staff,
    "VoidRetried": _staff,
    "RefundRetried": _staff,
    "SettlementDisputed": lambda f: f"{_staff(f)}, though {f['found']}",
    "AcknowledgeAlert": _staff,
    "ResolveAlert": _staff,
    "RedriveDeadLetter": _staff,
    "ParkDeadLetter": _staff,
    "ResolveDeadLetter": _staff,
    "AlertOpened": lambda f: str(f["title"]),
    "AlertAcknowledged": _staff,
    "AlertResolved": _staff,
    "DeadLetterRedriven": lambda f: f"to {f['service']}, {_staff(f)}",
    "DeadLetterReturned": lambda f: f"to {f['service']} in vain: {f['reason']}",
    "DeadLetterParked": _staff,
    "DeadLetterResolved": _staff,
    "ProductListed": _prices,
    "ProductPriceChanged": _prices,
    "PricesIgnored": lambda f: f"in {', '.join(f['currencies'])}, which this shop does not know",
}
"""What matters of each type of message; of others every plain field is told."""


def _number(facts: Facts) -> str:
    return f", order {facts['order_number']}" if facts.get("order_number") else ""


def _by_hand(facts: Facts) -> str:
    why = f": {facts['why']}" if facts.get("why") else ""
    return f", by hand of {facts['marked_by']}{why}" if facts.get("marked_by") else ""
