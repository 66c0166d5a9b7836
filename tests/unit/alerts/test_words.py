"""What the watchdog says, whatever things are called."""

import pytest
from pydantic import TypeAdapter

from services.alerts.watchdog import words
from shared.contract.alerts import AlertId
from shared.contract.text import is_plain
from shared.lag.judgement import Status
from shared.lag.model import Group, Position

KINDS = (
    words.STUCK,
    words.MANY_STUCK,
    words.OPERATION,
    words.HOLD,
    words.GROUP,
    words.OUTBOX,
    words.SET_ASIDE,
    words.SERVICE,
    words.UNREADY,
    words.OUTAGE,
    words.TARGET,
)
ODD = ["quadrille.debug@tim", "x" * 10_000, "a\x00b", "", "ü", "quadrille.cart"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("subject", ODD)
def test_every_subject_has_an_alert_of_its_own(kind: str, subject: str) -> None:
    known = words.identity(kind, subject)
    assert TypeAdapter(AlertId).validate_python(known) == known
    assert len({words.identity(kind, other) for other in ODD}) == len(ODD)


@pytest.mark.parametrize("name", ODD)
def test_a_group_may_be_called_anything(name: str) -> None:
    group = Group(name, "Empty", 0, {("cart.events", 0): Position(1, 5, 0)})
    told = words.group_behind(group, Status.STOP, 1.0)
    assert is_plain(told.service)
    assert len(told.service) <= words.LONGEST
