"""Alerts about dead letters, payments, the gateway and prices: their ids, titles and texts."""

import re
import shlex
from datetime import UTC, datetime
from typing import Final

from services.alerts.model import DeadLetter, Failure
from services.alerts.states import DeadLetterState
from services.alerts.watchdog.identity import identity
from shared.contract.payment import (
    AuthorizationExpiring,
    FailedCompensation,
    ForeignPaymentFound,
    GatewayInTrouble,
    GatewayRecovered,
    RetriesNearlyExhausted,
    VoidFailed,
)
from shared.contract.products import CatalogEvent
from shared.contract.text import counted, redacted
from shared.money import display

MAX_QUOTE: Final = 300
"""Characters of a quoted header or reason."""
WHY: Final = '--why "..."'
BY_HAND: Final = "paid_in_cash"
"""The code of a refund that no gateway can make."""
_TYPE: Final = re.compile(r"[A-Za-z0-9_.\-]+")


def dead_alert(dead_letter_id: str) -> str:
    """The id of the alert of a dead letter that is not a failed compensation."""
    return f"dead:{dead_letter_id}"


def failure_of(dead_letter: DeadLetter) -> Failure:
    """The alert of a dead letter that is not a failed compensation."""
    if dead_letter.kind == "lost":
        return _records_lost(dead_letter)
    reading = dead_letter.stage == "read"
    named = dead_letter.message_type and _TYPE.fullmatch(dead_letter.message_type)  # the title goes to the log as well
    what = dead_letter.message_type if named else "a record"
    why = f": {dead_letter.reason}" if reading else ""  # an exception may quote a customer, and the text goes to chats
    catalogue = dead_letter.topic == CatalogEvent.topic
    stale = " If the product is on sale, it keeps its former price until a valid record arrives." if catalogue else ""
    return Failure(
        alert_id=dead_alert(dead_letter.dead_letter_id),
        kind="unreadable" if reading else "unhandled",
        severity="warning" if reading and not catalogue else "critical",
        title=f"{dead_letter.who} could not {'read' if reading else 'handle'} {what} from {dead_letter.place}",
        text=f"Stage {dead_letter.stage} failed with {dead_letter.error}{why}.{stale} {_advice(dead_letter)}",
        service=dead_letter.service,
        checkout_id=dead_letter.checkout_id,
    )


def _records_lost(dead_letter: DeadLetter) -> Failure:
    dead_letter_id, service = dead_letter.dead_letter_id, dead_letter.service
    return Failure(
        alert_id=dead_alert(dead_letter_id),
        kind="records_lost",
        severity="critical",
        title=dead_letter.reason,
        text=f"These messages had no effect on {service}. `quadrille audit` shows what no longer fits; the journal"
        " (`quadrille trace`) may have their content. Keep downtime shorter than the retention of the topics"
        f" (`quadrille topics check`). After dealing with it, resolve: `quadrille dlq resolve {dead_letter_id} {WHY}`.",
        service=service,
    )


def _advice(dead_letter: DeadLetter) -> str:
    dead_letter_id, service = dead_letter.dead_letter_id, dead_letter.service
    show = f"Details: `quadrille dlq show {dead_letter_id}`."
    resolve = f"`quadrille dlq resolve {dead_letter_id} {WHY}`"
    redrive = f"`quadrille dlq redrive {dead_letter_id} {WHY}`"
    failed = f" {dead_letter.returned} of {counted(dead_letter.replays, 'redrive')} failed." if dead_letter.returned else ""
    if dead_letter.kind == "foreign":
        return f"None of our services reported this failure. {show} Resolve: {resolve}."
    if dead_letter.kind == "timer":
        return f"The timer is retried every 15 minutes. {show} Fix {service}. Once the timer succeeds, resolve: {resolve}."
    if dead_letter.state is DeadLetterState.PARKED:
        once_more = f"`quadrille dlq redrive {dead_letter_id} --parked {WHY}`"
        return f"{show}{failed} It is parked. Resolve: {resolve}. Or redrive once more: {once_more}."
    if dead_letter.stage == "read":
        return (
            f"{show}{failed} Fix the producer, then resolve: {resolve}. Or, after fixing {dead_letter.who}, redrive: {redrive}."
        )
    return f"{show}{failed} Fix {service}, then redrive: {redrive}."


def currency_alert(currency: str) -> str:
    """The id of the alert of prices in an unsupported currency."""
    return f"currency:{currency}"


def ignored_prices(currency: str, sku: str) -> Failure:
    """The catalogue has prices in an unsupported currency. ``sku``: a product that has one."""
    alert_id = currency_alert(currency)
    return Failure(
        alert_id=alert_id,
        kind="prices_ignored",
        severity="warning",
        title=f"The catalogue has prices in {currency}, a currency this shop does not support",
        text=f"Product {sku} has one. Prices in {currency} are ignored; products are sold in their other currencies only."
        f" Fix the catalogue, then resolve: `quadrille alerts resolve {alert_id} {WHY}`.",
        service="cart",
    )


def foreign_alert(checkout_id: str) -> str:
    """The id of the alert of a foreign payment under one of our references."""
    return f"foreign:{checkout_id}"


def foreign_payment(event: ForeignPaymentFound, event_id: str) -> Failure:
    """The gateway has a payment under one of our references that is not ours."""
    reference, authorization_id = event.gateway_reference[:MAX_QUOTE], event.authorization_id[:MAX_QUOTE]
    found = f"{event.found_amount} (minor units) {event.found_currency[:MAX_QUOTE]}"
    alert_id = foreign_alert(event.checkout_id)
    return Failure(
        alert_id=alert_id,
        kind="foreign_payment",
        severity="critical",
        title=f"A payment of {found} at the gateway has our reference {reference}, but is not ours",
        text=f"Payment {authorization_id} was neither captured nor voided. Checkout {event.checkout_id} has its own payment of"
        f" {display(event.amount, event.currency)}. Compare both at the gateway. If another shop uses the same gateway,"
        f" give each its own QUADRILLE_SHOP. Then resolve: `quadrille alerts resolve {shlex.quote(alert_id)} {WHY}`.",
        service="payment",
        checkout_id=event.checkout_id,
        occurrence=event_id,
    )


GATEWAY_ALERT: Final = "gateway:trouble"
"""The id of the one alert of a failing gateway."""
_ABOUT_GATEWAY: Final = {
    ("http_401", "http_403"): "Check that QUADRILLE_GATEWAY_API_KEY is valid and allowed from this machine.",
    ("http_301", "http_302", "http_307", "http_308", "http_404"): "Check QUADRILLE_GATEWAY_URL.",
    ("no_connection",): "Check that this machine can reach the gateway (address, DNS, certificate, firewall).",
    ("rate_limit", "http_429"): "We exceed the gateway's rate limit.",
}


def trouble_since(moment: datetime) -> str:
    """Names the outage that began then; later ones have greater names."""
    return f"{GATEWAY_ALERT}:{moment.astimezone(UTC).isoformat(timespec='microseconds')}"


def gateway_in_trouble(event: GatewayInTrouble) -> Failure:
    """The gateway fails."""
    code, reason = event.code[:MAX_QUOTE], event.reason[:MAX_QUOTE]
    unknown = "Check that the gateway is available and accepts our key."
    hint = next((hint for codes, hint in _ABOUT_GATEWAY.items() if code in codes), unknown)
    return _gateway(
        event,
        f"The payment gateway is failing: {reason} ({code})",
        f"{hint} Calls are suspended, and a few probes test the gateway. No payment is declined and no order is cancelled"
        " because of this. Authorizations wait as long as their customers can, captures until the authorization expires,"
        " voids and refunds for three days. When the gateway answers, all of them resume and this alert closes."
        f" To retry what failed before, run `quadrille payments retry-failed {WHY}`.",
    )


def trouble_passed(event: GatewayRecovered) -> Failure:
    """The same alert where the end of the outage is received before its start."""
    return _gateway(event, "The payment gateway was failing", "It answers again.")


def _gateway(event: GatewayInTrouble | GatewayRecovered, title: str, text: str) -> Failure:
    return Failure(
        alert_id=GATEWAY_ALERT,
        kind="gateway_in_trouble",
        severity="critical",
        title=title,
        text=text,
        service="payment",
        occurrence=trouble_since(event.since),
    )


def money_alert(kind: str, checkout_id: str) -> str:
    """The id of the alert of a failed void or refund: one per checkout, however often it fails."""
    return f"{kind}:{checkout_id}"


def stuck_money(event: FailedCompensation, event_id: str) -> Failure:
    """A void or a refund failed, so a customer's money is stuck."""
    kind = "void" if isinstance(event, VoidFailed) else "refund"
    stuck, done = ("is still held", "mark-voided") if kind == "void" else ("was not refunded", "mark-refunded")
    checkout = shlex.quote(event.checkout_id)  # a client chose it, and a person pastes it
    by_hand = f"`quadrille payments {done} {checkout} {WHY}`"
    reference = (
        f"gateway reference {event.gateway_reference[:MAX_QUOTE]}, authorization {str(event.authorization_id)[:MAX_QUOTE]}"
    )
    if event.code == BY_HAND:
        advice = f"Refund it by hand, then record that: {by_hand}."
    else:
        advice = (
            f"Retry: `quadrille payments retry-{kind} {checkout} {WHY}`."
            f" Or settle it at the gateway by hand ({reference}), then record that: {by_hand}."
        )
    attempts = counted(event.attempts, "attempt")
    return Failure(
        alert_id=money_alert(kind, event.checkout_id),
        kind=f"{kind}_failed",
        severity="critical",
        title=f"{kind.capitalize()} failed: {display(event.amount, event.currency)} of checkout {event.checkout_id} {stuck}",
        text=f"Payment gave up the {kind} after {attempts}: {redacted(event.reason, MAX_QUOTE).rstrip('.')}. {advice}",
        service="payment",
        checkout_id=event.checkout_id,
        occurrence=event_id,
    )


RETRIES: Final = "retries_nearly_exhausted"
AUTHORIZATION: Final = "authorization_expiring"
FEW: Final = 2
"""The title gives the attempts left up to this number, and otherwise the time left."""
_CONSEQUENCES: Final = {
    "authorize": "the customer is told that the payment failed",
    "capture": "the order is cancelled and the authorization voided",
    "void": "a person has to settle the payment",
    "refund": "a person has to settle the payment",
}


def retries_alert(checkout_id: str) -> str:
    """The id of the alert of a gateway operation that keeps failing."""
    return identity(RETRIES, checkout_id)


def retries_nearly_exhausted(event: RetriesNearlyExhausted, event_id: str) -> Failure:
    """A request to the gateway keeps failing."""
    what = "authorization" if event.operation == "authorize" else event.operation
    left = event.allowed - event.attempts
    retried = (
        f"retried until {_time(event.gives_up_at)}" if event.gives_up_at and left > FEW else f"{counted(left, 'attempt')} left"
    )
    return Failure(
        alert_id=retries_alert(event.checkout_id),
        occurrence=f"event:{event_id}",
        kind=RETRIES,
        severity="critical" if event.operation in ("void", "refund") else "warning",
        title=f"The {what} of checkout {event.checkout_id} ({display(event.amount, event.currency)}) keeps failing: {retried}",
        text=f"The gateway's last answer: {event.reason or 'none'} ({event.code}). Check that it is available."
        f" The next attempt is at {_time(event.next_attempt_at)}. If the last one fails, {_CONSEQUENCES[event.operation]}.",
        service="payment",
        checkout_id=event.checkout_id,
    )


def authorization_alert(checkout_id: str) -> str:
    """The id of the alert of an authorization that expires soon."""
    return identity(AUTHORIZATION, checkout_id)


def authorization_expiring(event: AuthorizationExpiring, event_id: str) -> Failure:
    """Money is held, and neither captured nor released."""
    amount = display(event.amount, event.currency)
    return Failure(
        alert_id=authorization_alert(event.checkout_id),
        occurrence=f"event:{event_id}",
        kind=AUTHORIZATION,
        severity="critical",
        title=f"Checkout {event.checkout_id}: {amount} authorized on {_time(event.authorized_at)}; it expires soon",
        text=f"There is no order, and the money was not released. `quadrille trace {shlex.quote(event.checkout_id)}` shows what"
        " the checkout waits for. Once its order is confirmed or cancelled (CancelOrder), the money is captured or released"
        " automatically.",
        service="payment",
        checkout_id=event.checkout_id,
    )


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
