"""Alerts: who works on them, when they close, and when they open again."""

from itertools import permutations
from typing import Any

import pytest

from services.alerts import reactions as react
from services.alerts.model import Alert, DeadLetter
from shared.contract.alerts import (
    AcknowledgeAlert,
    ResolveAlert,
)
from shared.contract.envelope import Envelope
from shared.contract.payment import (
    FailedCompensation,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RefundRetried,
    VoidFailed,
    VoidRetried,
)
from shared.contract.rejection import CommandRejected
from shared.runtime.reactions import arguments
from tests.support.clock import NOW
from tests.unit.alerts.letters import asked, kept, names, stuck, unhandled

FACTS: dict[str, Any] = {"cart_id": "c1", "checkout_id": "c1.1", "amount": 1490, "currency": "EUR"}
ALERTS = ("void:c1.1", "refund:c1.1")


def failed(kind: type[FailedCompensation]) -> FailedCompensation:
    """A compensation that failed, as payment's own topic tells."""
    return kind(**FACTS, gateway_reference="c1.1", hold="hold_1", attempts=8, code="refused", reason="the bank said no")


class Desk:
    """The alerts and dead letters of one checkout, as both topics tell of it."""

    def __init__(self) -> None:
        self.alerts = {alert_id: Alert(alert_id) for alert_id in ALERTS}
        self.letters: dict[str, DeadLetter] = {}

    def dead_letter(self, kind: type[FailedCompensation], event_id: str) -> list[Any]:
        """The dead letter of a failure arrives."""
        alert = self.alerts[ALERTS[0] if kind is VoidFailed else ALERTS[1]]
        arrival = stuck(kind, event_id=event_id)
        letter, _, events = kept(arrival, alert=alert)
        self.letters[letter.letter_id] = letter
        return events

    def event(self, event: Any, event_id: str = "e") -> list[Any]:
        """Payment's own event arrives."""
        envelope = Envelope(event_id, "/quadrille/payment", "", "c1", "story")
        reaction = react.reactions.by_trigger[type(event)]
        related: dict[str, dict[str, Any]] = {"alerts": self.alerts, "letters": self.letters}
        wanted = {asked_for.parameter: related[asked_for.parameter] for asked_for in reaction.related}
        return reaction.run(arguments(reaction, event, envelope, NOW, None, wanted, {}))

    @property
    def open(self) -> set[str]:
        """The alerts that are."""
        return {alert_id for alert_id, alert in self.alerts.items() if not alert.over}


def acknowledged(alert: Alert) -> list[Any]:
    """What follows from the command."""
    command = AcknowledgeAlert(alert_id=alert.alert_id, by="ada", why="on it")
    return list(react.acknowledge_alert(alert, command, asked(command), NOW))


def resolved(alert: Alert, *letters: DeadLetter, settled: bool = False) -> list[Any]:
    """What follows from the command."""
    command = ResolveAlert(alert_id=alert.alert_id, by="ada", why="done", settled=settled)
    return list(react.resolve_alert(alert, command, asked(command), {one.letter_id: one for one in letters}, NOW))


def test_somebody_works_on_it_and_only_the_first_time_is_news() -> None:
    _, alert, _ = kept(unhandled())
    assert names(acknowledged(alert)) == ["AlertAcknowledged"]
    assert names(acknowledged(alert)) == ["CommandRejected"]
    assert [(action.what, action.by, action.why) for action in alert.actions] == [("acknowledged", "ada", "on it")]


def test_resolving_an_alert_resolves_its_dead_letter() -> None:
    letter, alert, _ = kept(unhandled())
    assert names(resolved(alert, letter)) == ["DeadLetterResolved", "AlertResolved"]
    assert (letter.state, alert.state, alert.notify_at) == ("resolved", "resolved", None)
    assert names(resolved(alert, letter)) == ["CommandRejected"]


def test_an_alert_nobody_knows_is_refused() -> None:
    assert names(acknowledged(Alert("dead:x"))) == ["CommandRejected"]
    assert names(resolved(Alert("dead:x"))) == ["CommandRejected"]


def test_an_alert_of_money_closes_only_with_the_money() -> None:
    letter, alert, _ = kept(stuck())
    (refused,) = resolved(alert, letter)
    assert isinstance(refused, CommandRejected)
    assert refused.reasons[0].code == "not_settled"
    assert names(resolved(alert, letter, settled=True)) == ["DeadLetterResolved", "AlertResolved"]


@pytest.mark.parametrize("settlement", [PaymentVoided(**FACTS), PaymentRefunded(**FACTS)])
@pytest.mark.parametrize("failure", [VoidFailed, RefundFailed])
def test_the_money_is_settled_however_it_was(failure: type[FailedCompensation], settlement: Any) -> None:
    desk = Desk()
    desk.dead_letter(failure, "e1")
    desk.event(failed(failure), "e1")
    assert "AlertResolved" in names(desk.event(settlement))
    assert desk.open == set()
    assert {letter.state for letter in desk.letters.values()} == {"resolved"}


def test_who_settled_it_by_hand_is_recorded() -> None:
    desk = Desk()
    desk.event(failed(VoidFailed), "e1")
    desk.event(PaymentVoided(**FACTS, marked_by="ada", why="the bank released it"))
    last = desk.alerts["void:c1.1"].actions[-1]
    assert (last.what, last.by, last.why) == ("resolved", "ada", "the bank released it")


@pytest.mark.parametrize(("failure", "retried"), [(VoidFailed, VoidRetried), (RefundFailed, RefundRetried)])
def test_who_tries_again_is_recorded_and_works_on_it(failure: type[FailedCompensation], retried: Any) -> None:
    desk = Desk()
    desk.event(failed(failure), "e1")
    (event,) = desk.event(retried(**FACTS, by="ada", why="the bank is back"))
    assert names([event]) == ["AlertAcknowledged"]
    (alert,) = (alert for alert in desk.alerts.values() if not alert.over)
    assert [(action.what, action.by) for action in alert.actions] == [("retried", "ada")]
    assert desk.event(failed(failure), "e2") == [], "it is known already that it is open"
    assert alert.times_seen == 2


def test_a_void_that_turns_out_to_be_a_refund_is_one_alert_at_a_time() -> None:
    desk = Desk()
    desk.event(failed(VoidFailed), "e1")
    desk.event(failed(RefundFailed), "e2")
    assert desk.open == {"refund:c1.1"}
    desk.event(PaymentRefunded(**FACTS))
    assert desk.open == set()


def test_settled_money_that_fails_anew_is_news() -> None:
    desk = Desk()
    desk.event(failed(VoidFailed), "e1")
    desk.event(PaymentVoided(**FACTS))
    assert names(desk.event(failed(VoidFailed), "e2")) == ["AlertOpened"]


STORY: list[tuple[str, Any, str]] = [
    ("event", failed(VoidFailed), "e1"),
    ("event", failed(RefundFailed), "e2"),
    ("event", PaymentRefunded(**FACTS), "e3"),
]
DEAD: list[tuple[str, Any, str]] = [("letter", VoidFailed, "e1"), ("letter", RefundFailed, "e2")]


@pytest.mark.parametrize("end", [2, 3])
def test_in_whatever_order_the_two_topics_are_read_the_alerts_are_as_payment_s_own_tells(end: int) -> None:
    """Within a topic the order is kept, between them there is none."""
    story, wanted = STORY[:end], {2: {"refund:c1.1"}, 3: set[str]()}[end]
    tried = 0
    for order in permutations([*story, *DEAD]):
        if [step for step in order if step in story] != story or [step for step in order if step in DEAD] != DEAD:
            continue
        tried += 1
        desk = Desk()
        for kind, what, event_id in order:
            desk.dead_letter(what, event_id) if kind == "letter" else desk.event(what, event_id)
        assert desk.open == wanted, order
    assert tried == {2: 6, 3: 10}[end]
