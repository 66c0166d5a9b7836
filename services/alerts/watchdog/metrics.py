"""The watchdog's metrics of checkouts and alerts."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.model import ABOUT_MONEY
from shared.progress import STEPS, Outcome
from shared.runtime.observability.metrics import SECONDS, Children

checkouts = Children(Counter("quadrille_checkouts_total", "Decided checkouts, by outcome", ["outcome"]))
checkout_seconds = Children(
    Histogram(
        "quadrille_checkout_seconds",
        "Seconds from a customer's confirmation to the outcome of the checkout",
        ["outcome"],
        buckets=SECONDS,
    )
)
step_seconds = Children(
    Histogram("quadrille_step_seconds", "Seconds from the event that opens a step to its answer", ["step"], buckets=SECONDS)
)
_waiting = Gauge("quadrille_checkouts_waiting", "Waiting checkouts, by step", ["step"])
_alerts = Gauge("quadrille_alerts_open", "Open and acknowledged alerts", ["kind", "severity"])
threshold = Gauge(
    "quadrille_threshold_seconds", "Age from which the watchdog alerts, by kind of alert; Prometheus' rules read it", ["kind"]
)
_OPEN = text("SELECT kind, severity, count(*) AS alerts FROM alerts WHERE state <> 'resolved' GROUP BY kind, severity")
_KINDS: Final = {
    **dict.fromkeys((*ABOUT_MONEY, "stuck", "unhandled"), "critical"),
    "cleanup_failing": "warning",
    "unreadable": "warning",
}
"""Kinds of alert that rules and the dashboard query, with their severity: exported as 0 while there are none."""
_exported: Final = set(_KINDS.items())
"""A series once exported stays, as 0."""
for _outcome in Outcome:
    checkouts[_outcome]
    checkout_seconds[_outcome]
for _step in STEPS:
    step_seconds[_step.name]
for _kind, _severity in _exported:
    _alerts.labels(_kind, _severity)


def set_waiting(counts: Mapping[str, int]) -> None:
    """Set the number of waiting checkouts per step; 0 for steps without a count."""
    for step in STEPS:
        _waiting.labels(step.name).set(counts.get(step.name, 0))


async def count_alerts(engine: AsyncEngine) -> None:
    """Set the number of open alerts."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_OPEN)).all()
    counts = {(row.kind, row.severity): row.alerts for row in rows}
    for kind, severity in {*_exported, *counts}:
        _alerts.labels(kind, severity).set(counts.get((kind, severity), 0))
    _exported.update(counts)
