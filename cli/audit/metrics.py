"""The metrics of the auditor, for Prometheus and for the watchdog of alerts."""

from typing import Final

from prometheus_client import Counter, Gauge

OUTCOMES: Final = ("clean", "violated", "failed")
"""``failed``: the gateway or a database could not be reached."""

audits = Counter("quadrille_audits_total", "Audits of the money", ["outcome"])
violations = Gauge("quadrille_audit_violations", "Violations the last finished audit of the money found")
finished = Gauge("quadrille_audit_finished_timestamp_seconds", "When an audit of the money last finished; 0: never yet")
seconds = Gauge("quadrille_audit_seconds", "How long that audit took")
for outcome in OUTCOMES:
    audits.labels(outcome)
