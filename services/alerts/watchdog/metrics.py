"""What the watchdog sees, for Prometheus."""

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.progress import STEPS
from shared.telemetry.metrics import SECONDS, Children

checkouts = Children(Counter("quadrille_checkouts_total", "Checkouts that were decided, by what they came to", ["outcome"]))
step_seconds = Children(
    Histogram("quadrille_step_seconds", "Seconds from what opens a step to its answer", ["step"], buckets=SECONDS)
)
_waiting = Gauge("quadrille_checkouts_waiting", "Checkouts by the step they wait in", ["step"])
_alerts = Gauge("quadrille_alerts_open", "Alerts that are open or acknowledged", ["kind", "severity"])
_OPEN = text("SELECT kind, severity, count(*) AS alerts FROM alerts WHERE state <> 'resolved' GROUP BY kind, severity")


def show_waiting(counts: Mapping[str, int]) -> None:
    """Set how many checkouts wait in each step; those not named have none."""
    for step in STEPS:
        _waiting.labels(step.name).set(counts.get(step.name, 0))


async def count_alerts(engine: AsyncEngine) -> None:
    """Set how many alerts are open."""
    async with engine.connect() as connection:
        rows = (await connection.execute(_OPEN)).all()
    _alerts.clear()
    for row in rows:
        _alerts.labels(row.kind, row.severity).set(row.alerts)
