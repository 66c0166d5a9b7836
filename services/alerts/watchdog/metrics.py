"""What the watchdog sees, for Prometheus."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.model import ABOUT_MONEY
from shared.progress import STEPS, Outcome
from shared.runtime.observability.metrics import SECONDS, Children

checkouts = Children(Counter("quadrille_checkouts_total", "Checkouts that were decided, by what they came to", ["outcome"]))
checkout_seconds = Children(
    Histogram(
        "quadrille_checkout_seconds",
        "Seconds from a customer's confirmation to what the checkout came to",
        ["outcome"],
        buckets=SECONDS,
    )
)
step_seconds = Children(
    Histogram("quadrille_step_seconds", "Seconds from what opens a step to its answer", ["step"], buckets=SECONDS)
)
_waiting = Gauge("quadrille_checkouts_waiting", "Checkouts by the step they wait in", ["step"])
_alerts = Gauge("quadrille_alerts_open", "Alerts that are open or acknowledged", ["kind", "severity"])
_OPEN = text("SELECT kind, severity, count(*) AS alerts FROM alerts WHERE state <> 'resolved' GROUP BY kind, severity")
_KINDS: Final = {
    **dict.fromkeys((*ABOUT_MONEY, "stuck", "unhandled"), "critical"),
    "cleanup_failing": "warning",
    "unreadable": "warning",
}
"""Kinds of alert that rules and the dashboard ask for, with their severity: there are none of them, until there are."""
_shown: Final = set(_KINDS.items())
"""What was shown is shown from then on, though there are none any more."""
for _outcome in Outcome:
    checkouts[_outcome]
    checkout_seconds[_outcome]
for _step in STEPS:
    step_seconds[_step.name]
for _kind, _severity in _shown:
    _alerts.labels(_kind, _severity)


def show_waiting(counts: Mapping[str, int]) -> None:
    """Set how many checkouts wait in each step; those not named have none."""
    for step in STEPS:
        _waiting.labels(step.name).set(counts.get(step.name, 0))


async def count_alerts(engine: AsyncEngine) -> None:
    """Set how many alerts are open."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_OPEN)).all()
    counts = {(row.kind, row.severity): row.alerts for row in rows}
    for kind, severity in {*_shown, *counts}:
        _alerts.labels(kind, severity).set(counts.get((kind, severity), 0))
    _shown.update(counts)
