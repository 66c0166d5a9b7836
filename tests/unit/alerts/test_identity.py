"""The ids of the watchdog's alerts, whatever their subjects are called."""

import pytest
from pydantic import TypeAdapter

from services.alerts import failures
from services.alerts.watchdog import checkout_alerts, condition_alerts
from services.alerts.watchdog.identity import LONGEST, identity
from shared.contract.alerts import AlertId
from shared.contract.text import is_plain
from shared.lag.judgement import Status
from shared.lag.model import Group, Position

KINDS = (
    checkout_alerts.STUCK,
    checkout_alerts.MANY_STUCK,
    failures.RETRIES,
    failures.AUTHORIZATION,
    condition_alerts.GROUP,
    condition_alerts.OUTBOX,
    condition_alerts.QUARANTINED,
    condition_alerts.SERVICE,
    condition_alerts.UNREADY,
    condition_alerts.OUTAGE,
    condition_alerts.TARGET,
)
ODD = ["quadrille.debug@tim", "x" * 10_000, "a\x00b", "", "ü", "quadrille.cart"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("subject", ODD)
def test_every_subject_has_an_alert_of_its_own(kind: str, subject: str) -> None:
    known = identity(kind, subject)
    assert TypeAdapter(AlertId).validate_python(known) == known
    assert len({identity(kind, other) for other in ODD}) == len(ODD)


@pytest.mark.parametrize("name", ODD)
def test_a_group_may_be_called_anything(name: str) -> None:
    group = Group(name, "Empty", 0, {("cart.events", 0): Position(1, 5, 0)})
    told = condition_alerts.group_stalled(group, Status.STOP, 1.0)
    assert is_plain(told.service)
    assert len(told.service) <= LONGEST
