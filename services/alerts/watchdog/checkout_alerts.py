"""Alerts about single checkouts and their payments: titles and texts."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from services.alerts.model import Failure
from services.alerts.watchdog.identity import identity
from shared.contract.text import counted
from shared.money import EXPONENTS, display
from shared.progress import Waiting

STUCK: Final = "stuck"
MANY_STUCK: Final = "many_stuck"
RETRIES: Final = "retries_nearly_exhausted"
AUTHORIZATION: Final = "authorization_expiring"
FEW: Final = 2
"""The title gives the attempts left up to this number, and otherwise the time left."""


def stuck(checkout_id: str, waiting: Waiting[datetime], now: datetime, *, quiet: bool = False) -> Failure:
    """A checkout does not move. In step 9, the cleanup after the order, no customer waits."""
    step = waiting.step
    seconds = (now - waiting.since).total_seconds()
    cleanup = step.number == 9
    alert_id = identity(STUCK, checkout_id)
    return Failure(
        alert_id=alert_id,
        occurrence=f"{alert_id}:{step.name}:{waiting.since.isoformat()}",
        kind="cleanup_failing" if cleanup else STUCK,
        severity="warning" if cleanup else "critical",
        title=f"Checkout {checkout_id} has waited {seconds:.0f} s for {step.what}",
        text=f"{'The order is complete, but its cleanup keeps failing. ' if cleanup else ''}{_checks(step.who)}"
        f" `quadrille trace {shlex.quote(checkout_id)}` shows its history.",
        service=step.who,
        checkout_id=checkout_id,
        quiet=quiet,
    )


def _checks(who: str) -> str:
    if who == "customer":
        return "The session should have expired by now: check that cart runs (`quadrille status`)."
    return (
        f"Check that {who} runs (`quadrille status`), keeps up (`quadrille lag --group '*quadrille.{who}'`)"
        f" and has no dead letters (`quadrille dlq list --service {who}`)."
    )


def many_stuck(count: int, notified: int, since: datetime) -> Failure:
    """Too many checkouts are stuck to notify people of each. ``notified``: how many of them people were notified of."""
    alert_id = identity(MANY_STUCK, "all")
    return Failure(
        alert_id=alert_id,
        occurrence=f"{alert_id}:{since.isoformat()}",
        kind=MANY_STUCK,
        severity="critical",
        title=f"{count} checkouts are stuck; only the first {notified} send notifications",
        text="Look for a common cause: a service that is down or too slow, Kafka, a database, the gateway"
        " (`quadrille status`, `quadrille lag`). Each checkout has its own alert, which closes when the checkout moves.",
        service="alerts",
    )


def retries_nearly_exhausted(checkout_id: str, event_id: str, facts: Mapping[str, object]) -> Failure:
    """A request to the gateway keeps failing (the event ``RetriesNearlyExhausted``)."""
    operation = facts.get("operation", "operation")
    what = "authorization" if operation == "authorize" else operation
    return Failure(
        alert_id=identity(RETRIES, checkout_id),
        occurrence=f"event:{event_id}",
        kind=RETRIES,
        severity="critical" if operation in ("void", "refund") else "warning",
        title=f"The {what} of checkout {checkout_id} ({_amount(facts)}) keeps failing: {_left(facts)}",
        text=f"The gateway's last answer: {facts.get('reason') or 'none'} ({facts.get('code')}). Check that it is available."
        f" The next attempt is at {facts.get('next_attempt_at')}. If the last one fails, {_consequence(operation)}.",
        service="payment",
        checkout_id=checkout_id,
    )


def _left(facts: Mapping[str, object]) -> str:
    allowed, attempts, until = facts.get("allowed"), facts.get("attempts"), facts.get("gives_up_at")
    if not (isinstance(allowed, int) and isinstance(attempts, int)):
        return "few attempts left"
    if until and allowed - attempts > FEW:
        return f"retried until {until}"
    return f"{counted(allowed - attempts, 'attempt')} left"


def _consequence(operation: object) -> str:
    if operation == "authorize":
        return "the customer is told that the payment failed"
    if operation == "capture":
        return "the order is cancelled and the authorization voided"
    return "a person has to settle the payment"


def authorization_expiring(checkout_id: str, event_id: str, facts: Mapping[str, object]) -> Failure:
    """Money is held, and neither captured nor released (the event ``AuthorizationExpiring``)."""
    return Failure(
        alert_id=identity(AUTHORIZATION, checkout_id),
        occurrence=f"event:{event_id}",
        kind=AUTHORIZATION,
        severity="critical",
        title=f"Checkout {checkout_id}: {_amount(facts)} authorized on {facts.get('authorized_at')}; it expires soon",
        text=f"There is no order, and the money was not released. `quadrille trace {shlex.quote(checkout_id)}` shows what the"
        " checkout waits for. Once its order is confirmed or cancelled (CancelOrder), the money is captured or released"
        " automatically.",
        service="payment",
        checkout_id=checkout_id,
    )


def _amount(facts: Mapping[str, object]) -> str:
    amount, currency = facts.get("amount"), facts.get("currency")
    if isinstance(amount, int) and isinstance(currency, str) and currency in EXPONENTS:
        return display(amount, currency)
    return "unknown amount"
