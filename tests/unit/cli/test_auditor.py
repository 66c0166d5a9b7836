"""The auditor reports by metrics and readiness whether the audit was completed, and what it found."""

import time

from prometheus_client import REGISTRY

from cli.audit.auditor import Auditor
from cli.audit.invariants import Violation
from shared.settings import load


def value(name: str, **labels: str) -> float:
    """The value of a metric."""
    found = REGISTRY.get_sample_value(name, labels)
    assert found is not None, name
    return found


def auditor() -> Auditor:
    """An auditor whose gateway cannot be reached."""
    nowhere = {"QUADRILLE_GATEWAY_URL": "http://127.0.0.1:1", "QUADRILLE_GATEWAY_API_KEY": "sk"}
    return Auditor(load(nowhere))


async def test_a_failed_audit_is_reported_and_does_not_count_as_finished() -> None:
    failed, finished = value("quadrille_audits_total", outcome="failed"), value("quadrille_audit_finished_timestamp_seconds")
    made = auditor()
    assert made.state()["ready"] is True, "it has not tried yet"
    assert await made.audit() is False
    assert made.state() == {"service": "audit", "ready": False, "trouble": "the audit of payments failed: LedgerError"}
    assert value("quadrille_audits_total", outcome="failed") == failed + 1
    assert value("quadrille_audit_finished_timestamp_seconds") == finished


def test_violations_are_counted_and_dated() -> None:
    made, now = auditor(), time.time()
    made.report([Violation(1, "c.1", "the gateway kept 1490 minor units, but 0 are owed")] * 30, 1.5)
    assert value("quadrille_audit_violations") == 30
    assert value("quadrille_audit_seconds") == 1.5
    assert value("quadrille_audit_finished_timestamp_seconds") >= now
    made.report([], 1.0)
    assert value("quadrille_audit_violations") == 0
    assert min(value("quadrille_audits_total", outcome=outcome) for outcome in ("clean", "violated")) >= 1
