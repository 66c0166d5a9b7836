"""Warnings of payment: an operation that keeps failing, and an authorization that expires soon."""

from datetime import timedelta
from typing import Any

import pytest

from services.alerts.failures import retries_alert, retries_nearly_exhausted
from shared.contract.payment import AuthorizationExpiring, RetriesNearlyExhausted
from tests.support.clock import NOW
from tests.support.facts import a
from tests.unit.alerts.dead_letters import Alerts, names

NAMES: dict[str, Any] = {"cart_id": "c1", "checkout_id": "c1.1", "amount": 1490, "currency": "EUR"}
EXPIRING = AuthorizationExpiring(**NAMES, authorized_at=NOW)


def failing(operation: str = "capture", **more: Any) -> RetriesNearlyExhausted:
    """An operation that keeps failing."""
    code = {"code": "unavailable", "reason": "HTTP 503", "next_attempt_at": NOW}
    return a(RetriesNearlyExhausted, **NAMES, **{"operation": operation, "attempts": 9, "allowed": 10, **code, **more})


@pytest.mark.parametrize(
    ("event", "severity", "what", "left", "consequence"),
    [
        (failing("authorize"), "warning", "authorization", "1 attempt left", "the customer is told that the payment failed"),
        (failing("capture", allowed=11), "warning", "capture", "2 attempts left", "the order is cancelled and"),
        (failing("void", allowed=99), "critical", "void", "90 attempts left", "a person has to settle the payment"),
        (
            failing("refund", allowed=99, gives_up_at=NOW + timedelta(days=3)),
            "critical", "refund", "retried until 2026-01-04T00:00:00Z", "a person has to settle the payment",
        ),
    ],
)  # fmt: skip
def test_a_warning_says_how_long_it_is_retried_and_what_then(
    event: RetriesNearlyExhausted, severity: str, what: str, left: str, consequence: str
) -> None:
    failure = retries_nearly_exhausted(event, "e1")
    assert (failure.kind, failure.severity) == ("retries_nearly_exhausted", severity)
    assert failure.title == f"The {what} of checkout c1.1 (14.90 EUR) keeps failing: {left}"
    assert "The gateway's last answer: HTTP 503 (unavailable)." in failure.text
    assert "The next attempt is at 2026-01-01T00:00:00Z." in failure.text
    assert consequence in failure.text


def test_an_authorization_that_expires_soon_opens_an_alert() -> None:
    alerts = Alerts()
    alerts.hear(EXPIRING)
    alert = alerts.alert
    assert (alert.kind, alert.severity, alert.notify_at) == ("authorization_expiring", "critical", NOW)
    assert alert.title == "Checkout c1.1: 14.90 EUR authorized on 2026-01-01T00:00:00Z; it expires soon"


def test_a_repeated_warning_is_one_alert() -> None:
    alerts = Alerts()
    assert names(alerts.hear(failing())) == ["AlertOpened"]
    assert alerts.hear(failing(attempts=10)) == []
    assert alerts.open == {retries_alert("c1.1")}
