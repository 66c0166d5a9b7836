"""Alerts about checkouts that are late: titles and texts."""

import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.alerts.model import Failure
from services.alerts.watchdog.identity import identity

STUCK: Final = "stuck"
MANY_STUCK: Final = "many_stuck"


@dataclass(frozen=True)
class LateCheckout:
    """A checkout that has waited too long, as the journal describes it.

    ``who``: who has to answer, a service or ``customer``. ``waits_for`` completes the sentence "waits for …". ``pace``: of the
    step. ``due_at``: when it became late.
    """

    checkout_id: str
    kind: Literal["stuck", "cleanup_failing"]
    step: str
    waits_for: str
    who: str
    pace: str
    since: datetime
    due_at: datetime


def stuck(late: LateCheckout, now: datetime, *, quiet: bool = False) -> Failure:
    """A checkout does not move. While only its cleanup fails, no customer waits."""
    cleanup = late.kind == "cleanup_failing"
    alert_id = identity(STUCK, late.checkout_id)
    return Failure(
        alert_id=alert_id,
        occurrence=f"{alert_id}:{late.step}:{late.since.isoformat()}",
        kind=late.kind,
        severity="warning" if cleanup else "critical",
        title=f"Checkout {late.checkout_id} has waited {(now - late.since).total_seconds():.0f} s for {late.waits_for}",
        text=f"{'The order is complete, but its cleanup keeps failing. ' if cleanup else ''}{_checks(late.who)}"
        f" `quadrille trace {shlex.quote(late.checkout_id)}` shows its history.",
        service=late.who,
        checkout_id=late.checkout_id,
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
