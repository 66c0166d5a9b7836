"""The metrics of alerts and of the watchdog's thresholds."""

from typing import Final

from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.model import ABOUT_MONEY

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
for _kind, _severity in _exported:
    _alerts.labels(_kind, _severity)


async def count_alerts(engine: AsyncEngine) -> None:
    """Set the number of open alerts."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_OPEN)).all()
    counts = {(row.kind, row.severity): row.alerts for row in rows}
    for kind, severity in {*_exported, *counts}:
        _alerts.labels(kind, severity).set(counts.get((kind, severity), 0))
    _exported.update(counts)
