"""Alerts: acknowledging, closing and opening again."""

from itertools import permutations
from typing import Any

import pytest

from services.alerts.model import Alert, DeadLetter
from shared.contract.alerts import AcknowledgeAlert, ResolveAlert
from shared.contract.message import Message
from shared.contract.payment import (
    FailedCompensation,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRetried,
    SettlementDisputed,
    VoidFailed,
    VoidRetried,
)
from shared.contract.rejection import CommandRejected
from tests.support.facts import a
from tests.support.solo import codes, only
from tests.unit.alerts.dead_letters import Alerts, names, stuck, unhandled, with_

NAMES: dict[str, Any] = {"cart_id": "c1", "checkout_id": "c1.1"}
FAILURES = (VoidFailed, RefundFailed)


def told(kind: type[Message], **more: Any) -> Message:
    """An event of payment about the checkout whose dead letters these are."""
    return a(kind, **NAMES, **more)


def acknowledge(alerts: Alerts) -> list[Message]:
    """What alerts emits for the command."""
    return alerts.hear(AcknowledgeAlert(alert_id=alerts.alert.alert_id, by="ada", why="on it"))


def resolve(alerts: Alerts, *, settled: bool = False) -> list[Message]:
    """What alerts emits for the command."""
    return alerts.hear(ResolveAlert(alert_id=alerts.alert.alert_id, by="ada", why="done", settled=settled))


def test_an_alert_is_acknowledged_once() -> None:
    alerts = with_(unhandled())
    assert names(acknowledge(alerts)) == ["AlertAcknowledged"]
    assert names(acknowledge(alerts)) == ["CommandRejected"]
    assert [(action.what, action.by, action.why) for action in alerts.alert.actions] == [("acknowledged", "ada", "on it")]


def test_resolving_an_alert_resolves_its_dead_letter() -> None:
    alerts = with_(unhandled())
    assert names(resolve(alerts)) == ["DeadLetterResolved", "AlertResolved"]
    assert (alerts.dead_letter.state, alerts.open, alerts.alert.notify_at) == ("resolved", set(), None)
    assert names(resolve(alerts)) == ["CommandRejected"]


@pytest.mark.parametrize("kind", [AcknowledgeAlert, ResolveAlert])
def test_an_unknown_alert_is_refused(kind: type[Message]) -> None:
    assert codes(only(CommandRejected, Alerts().hear(a(kind)))) == ["unknown"]


def test_an_alert_about_money_closes_only_when_the_payment_is_settled() -> None:
    alerts = with_(stuck())
    assert codes(only(CommandRejected, resolve(alerts))) == ["not_settled"]
    assert names(resolve(alerts, settled=True)) == ["DeadLetterResolved", "AlertResolved"]


@pytest.mark.parametrize("settlement", [PaymentVoided, PaymentRefunded])
@pytest.mark.parametrize("failure", FAILURES)
def test_any_settlement_closes_the_alert(failure: type[FailedCompensation], settlement: type[Message]) -> None:
    alerts = with_(stuck(failure, event_id="e1"))
    assert alerts.hear(told(failure), "e1") == [], "heard by another way before"
    assert names(alerts.hear(told(settlement), "e2")) == ["DeadLetterResolved", "AlertResolved"]
    assert alerts.open == set()
    assert {dead_letter.state for dead_letter in alerts.aggregates[DeadLetter].values()} == {"resolved"}


def test_who_settled_it_by_hand_is_recorded() -> None:
    alerts = Alerts()
    alerts.hear(told(VoidFailed), "e1")
    alerts.hear(told(PaymentVoided, marked_by="ada", why="the bank released it"), "e2")
    last = alerts.alert.actions[-1]
    assert (last.what, last.by, last.why) == ("resolved", "ada", "the bank released it")


@pytest.mark.parametrize(("failure", "retried"), [(VoidFailed, VoidRetried), (RefundFailed, RefundRetried)])
def test_a_retry_is_recorded_and_acknowledges_the_alert(failure: type[Message], retried: type[Message]) -> None:
    alerts = Alerts()
    assert alerts.hear(told(retried)) == [], "nothing to work on"
    alerts.hear(told(failure), "e1")
    assert names(alerts.hear(told(retried, by="ada", why="the bank is back"))) == ["AlertAcknowledged"]
    assert [(action.what, action.by) for action in alerts.alert.actions] == [("retried", "ada")]


@pytest.mark.parametrize(("failure", "retried"), [(VoidFailed, VoidRetried), (RefundFailed, RefundRetried)])
@pytest.mark.parametrize("order", ["event, letter", "letter, event", "letter before the retry"])
def test_a_failed_retry_opens_the_alert_again_with_one_notification(
    failure: type[FailedCompensation], retried: type[Message], order: str
) -> None:
    alerts = with_(stuck(failure, event_id="e1"))
    alerts.hear(told(failure), "e1")
    acknowledge(alerts)
    alerts.alert.notify_at = None  # they were told
    again, dead_letter = told(failure), stuck(failure, event_id="e2", reason="still closed")
    opened = []
    if order == "letter before the retry":
        opened += alerts.arrives(dead_letter)
        assert alerts.alert.notify_at == alerts.now
        alerts.hear(told(retried))
        opened = alerts.hear(again, "e2")
    elif order == "event, letter":
        alerts.hear(told(retried))
        opened += [*alerts.hear(again, "e2"), *alerts.arrives(dead_letter)]
    else:
        alerts.hear(told(retried))
        opened += [*alerts.arrives(dead_letter), *alerts.hear(again, "e2")]
    assert names(opened) == ["AlertOpened"]
    assert (alerts.alert.state, alerts.alert.times_seen) == ("open", 2)
    assert alerts.alert.notify_at == alerts.now


@pytest.mark.parametrize("failure", FAILURES)
def test_a_claim_that_the_gateway_contradicts_is_recorded_and_the_alert_stays(failure: type[FailedCompensation]) -> None:
    alerts = with_(stuck(failure, event_id="e1"))
    disputed = told(SettlementDisputed, by="ada", why="bank transfer 4711", found="the gateway still has 14.90 EUR")
    assert names(alerts.hear(disputed)) == ["AlertAcknowledged"]
    last = alerts.alert.actions[-1]
    assert last.what == "claims it is settled, though the gateway still has 14.90 EUR"
    assert (last.by, last.why, len(alerts.open)) == ("ada", "bank transfer 4711", 1)
    assert names(alerts.hear(told(PaymentRefunded), "e3"))[-1] == "AlertResolved"


def test_a_failure_read_twice_does_not_open_an_acknowledged_alert() -> None:
    alerts = with_(stuck(event_id="e1"))
    acknowledge(alerts)
    assert alerts.hear(told(VoidFailed), "e1") == []
    assert alerts.alert.state == "acknowledged"


def test_a_failure_after_the_settlement_opens_the_alert_again() -> None:
    alerts = Alerts()
    alerts.hear(told(VoidFailed), "e1")
    alerts.hear(told(PaymentVoided), "e2")
    assert names(alerts.hear(told(VoidFailed), "e3")) == ["AlertOpened"]


def test_a_settlement_without_an_alert_creates_none() -> None:
    alerts = Alerts()
    for kind in (PaymentVoided, PaymentRefunded):
        assert alerts.hear(told(kind)) == []
    assert [alert for alert in alerts.aggregates[Alert].values() if alert != Alert(alert.alert_id)] == []


Step = tuple[str, type[Any], str]
STORY: list[Step] = [("event", VoidFailed, "e1"), ("event", RefundFailed, "e2"), ("event", PaymentRefunded, "e3")]
DEAD: list[Step] = [("letter", VoidFailed, "e1"), ("letter", RefundFailed, "e2")]


@pytest.mark.parametrize(("end", "wanted", "orders"), [(2, {"refund:c1.1"}, 6), (3, set(), 10)])
def test_the_order_of_payment_s_topic_counts_however_the_two_topics_are_read(end: int, wanted: set[str], orders: int) -> None:
    """Order is kept within a topic, not between topics."""
    story = STORY[:end]
    tried = 0
    for order in permutations([*story, *DEAD]):
        if [step for step in order if step in story] != story or [step for step in order if step in DEAD] != DEAD:
            continue
        tried += 1
        alerts = Alerts()
        for way, kind, event_id in order:
            alerts.arrives(stuck(kind, event_id=event_id)) if way == "letter" else alerts.hear(told(kind), event_id)
        assert alerts.open == wanted, order
    assert tried == orders
