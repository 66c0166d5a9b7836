"""What the watchdog reads from the metrics of services and of the auditor, and when an audit is overdue."""

from prometheus_client import REGISTRY, generate_latest

import cli.audit.metrics as exported
from services.alerts.watchdog.condition_alerts import audit_overdue, money_wrong
from services.alerts.watchdog.service_metrics import UNKNOWN, Audit, Outbox, ServiceReport, overdue_after, read

HOUR = 3600.0
SAID = """# HELP quadrille_outbox_depth Records committed and not yet published
# TYPE quadrille_outbox_depth gauge
quadrille_outbox_depth{service="cart"} 17.0
# TYPE quadrille_outbox_age_seconds gauge
quadrille_outbox_age_seconds{service="cart"} 42.5
# TYPE quadrille_outbox_quarantined gauge
quadrille_outbox_quarantined{service="cart"} 2.0
# TYPE quadrille_topic_refuses gauge
quadrille_topic_refuses{service="cart",topic="order.redrive"} 0.0
quadrille_topic_refuses{service="cart",topic="cart.events"} 1.0
quadrille_messages_handled_total{service="cart",type="OpenCart"} 7.0
"""


def test_the_last_audit_is_read_from_the_auditor_s_own_metrics() -> None:
    exported.violations.set(2)
    exported.finished.set(1_790_000_000.5)
    assert read(generate_latest(REGISTRY).decode()).audit == Audit(2, 1_790_000_000.5)


def test_a_service_without_audit_metrics_has_no_audit() -> None:
    assert read('quadrille_outbox_depth{service="cart"} 17.0\n').audit is None


def test_an_audit_is_overdue_when_two_are_missing_and_there_was_time_for_one() -> None:
    long_ago, limit = 0.0, overdue_after(HOUR)
    assert not Audit(0, 1_000).is_overdue(limit, long_ago, 1_000 + limit)
    assert Audit(0, 1_000).is_overdue(limit, long_ago, 1_001 + limit)
    assert not Audit(0, 0).is_overdue(limit, 5_000, 5_000 + limit), "it has only just begun"
    assert Audit(0, 0).is_overdue(limit, 5_000, 5_001 + limit)


def test_the_alerts_of_audits_name_the_command_for_details() -> None:
    assert money_wrong("audit", 1, 0).title == "The money audit found 1 violation"
    assert "`quadrille audit`" in money_wrong("audit", 3, 0).text
    assert audit_overdue("audit", 0, 0).title.endswith("(last: never)")
    assert audit_overdue("audit", 1_790_000_000, 0).title.endswith("(last: 2026-09-21T14:13:20+00:00)")


def test_the_outbox_and_whether_a_service_is_ready_are_read_from_the_metrics() -> None:
    assert read(SAID) == ServiceReport(Outbox(17, 42.5, 2, ("cart.events",)))
    assert read("something_else 1\n") == ServiceReport()
    assert read('quadrille_healthy{service="cart"} 0.0\n') == ServiceReport(trouble=UNKNOWN)
    assert read('quadrille_healthy{service="cart"} 1.0\n') == ServiceReport()
