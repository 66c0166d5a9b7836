"""What is offered: no more than can be done, and no less."""

from dataclasses import replace

from services.alerts.model import Alert, DeadLetter
from services.alerts.states import AlertState, DeadLetterState
from services.console.actions import of_alert, of_dead_letter, of_money, of_trace
from tests.support import stories
from tests.unit.console.helpers import recorded, trace


def names(actions: object) -> list[str]:
    """What the buttons are called in the form."""
    return [action.name for action in actions]  # type: ignore[attr-defined]


def test_a_failed_void_can_be_retried_or_settled_by_hand() -> None:
    found = recorded("void_failed")
    (checkout_id,) = [one.checkout_id for one in found.checkouts]
    assert names(of_trace(found)[checkout_id]) == ["retry-void", "mark-voided"]


def test_payments_that_need_no_person_offer_no_action() -> None:
    assert of_trace(trace(stories.load("void_failed").until("OrderCancelled"))) == {}
    assert of_trace(recorded("paid")) == {}
    assert of_trace(recorded("voided")) == {}


def test_a_payment_on_delivery_can_be_marked_paid_once() -> None:
    found = recorded("cash")
    ((_, offered),) = of_trace(found).items()
    assert names(offered) == ["mark-paid"]
    story = stories.load("cash")
    paid = replace(next(e for e in story.entries if e.kind == "PaymentDeferred"), kind="PaymentMarkedPaid", message_id="paid")
    assert of_trace(trace([*story.entries, paid])) == {}


def test_an_alert_is_acknowledged_once_and_resolved_once() -> None:
    alert = Alert("dead:1", AlertState.OPEN, kind="dead_letter")
    assert names(of_alert(alert)) == ["ack", "resolve"]
    assert names(of_alert(replace(alert, state=AlertState.ACKNOWLEDGED))) == ["resolve"]
    assert names(of_alert(replace(alert, state=AlertState.RESOLVED))) == []
    assert names(of_money(alert)) == []


def test_an_alert_about_a_payment_offers_its_settlement() -> None:
    alert = Alert("void:c1.1", AlertState.OPEN, kind="void_failed", checkout_id="c1.1")
    assert names(of_alert(alert)) == ["ack", "resolve-settled"]
    assert names(of_money(alert)) == ["retry-void", "mark-voided"]
    assert names(of_money(replace(alert, kind="refund_failed"))) == ["retry-refund", "mark-refunded"]
    assert names(of_money(replace(alert, state=AlertState.RESOLVED))) == []


def test_a_dead_letter_offers_the_actions_of_its_kind_and_state() -> None:
    dead_letter = DeadLetter("0123456789abcdef", DeadLetterState.OPEN)
    assert names(of_dead_letter(dead_letter)) == ["redrive", "park", "resolve"]
    assert names(of_dead_letter(replace(dead_letter, state=DeadLetterState.PARKED))) == ["redrive", "resolve"]
    assert names(of_dead_letter(replace(dead_letter, state=DeadLetterState.REDRIVEN))) == ["park", "resolve"]
    assert names(of_dead_letter(replace(dead_letter, kind="foreign"))) == ["park", "resolve"]
    assert names(of_dead_letter(replace(dead_letter, kind="compensation"))) == []
    assert names(of_dead_letter(replace(dead_letter, state=DeadLetterState.RESOLVED))) == []
