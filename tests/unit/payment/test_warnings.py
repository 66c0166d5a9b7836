"""Payment tells of what will soon need a person: an operation nearly given up, a hold that will lapse."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payment.answers import HoldAged
from services.payment.gateways.port import Unavailable
from services.payment.model import Policy
from shared.contract.order import OrderCancelled
from shared.contract.payment import HoldNearlyLapsed, OperationNearlyGivenUp, PaymentDeclined
from simulation.wiring import CONTEXT
from tests.support.clock import NOW
from tests.support.facts import CHECKOUT, a
from tests.support.solo import only
from tests.unit.payment.payments import NO, answer, payment, payment_in

BUSY = Unavailable("the gateway is busy")
POLICY: Policy = CONTEXT[Policy]
AGED = HoldAged(CHECKOUT)


def test_an_operation_that_keeps_failing_is_told_of_once_before_it_is_given_up() -> None:
    made = payment_in("authorizing")
    assert [answer(made, BUSY) for _ in range(POLICY.attempts - 3)] == [[]] * (POLICY.attempts - 3)
    told = only(OperationNearlyGivenUp, answer(made, BUSY))
    assert (told.operation, told.attempts, told.allowed) == ("authorize", POLICY.attempts - 2, POLICY.attempts)
    assert (told.code, told.reason, told.next_attempt_at) == (BUSY.code, BUSY.reason, payment(made).due_at)
    assert answer(made, BUSY) == []
    only(PaymentDeclined, answer(made, BUSY))


def test_the_next_operation_of_a_payment_is_told_of_anew() -> None:
    made = payment_in("capturing")
    for expected in (OperationNearlyGivenUp, OperationNearlyGivenUp):
        told = [answer(made, BUSY) for _ in range(POLICY.attempts - 2)]
        only(expected, told[-1])
        answer(made, NO)
        made.hear(a(OrderCancelled), "cancelled")


@pytest.mark.parametrize(("attempts", "warned_at"), [(8, 6), (4, 2), (3, 1), (2, 1), (1, 1)])
def test_it_is_told_two_attempts_before_the_last_where_there_are_as_many(attempts: int, warned_at: int) -> None:
    assert replace(POLICY, attempts=attempts).warned_at == warned_at


def test_a_hold_nobody_captured_or_released_is_told_of_once() -> None:
    made = payment_in("authorized")
    assert payment(made).due_at == NOW + POLICY.hold_warning
    assert made.hear(AGED) == [], "it is not time yet"
    made.now += POLICY.hold_warning
    assert only(HoldNearlyLapsed, made.hear(AGED)).held_since == NOW
    assert payment(made).due_at is None
    assert made.hear(AGED) == []


def test_a_warning_is_a_cause_with_a_name() -> None:
    assert AGED.id == "hold/cart1.1"


@pytest.mark.parametrize("state", ["authorizing", "capturing", "captured", "voiding", "voided", "declined", "unknown"])
def test_where_nothing_is_held_in_vain_nobody_is_told(state: str) -> None:
    made = payment_in(state)
    due_at = payment(made).due_at
    made.now += timedelta(days=7)
    assert made.hear(AGED) == []
    assert payment(made).due_at == due_at, "what is due stays due"
