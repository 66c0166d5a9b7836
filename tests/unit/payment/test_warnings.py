"""Payment warns of what will soon need a person: retries nearly exhausted, an authorization that will expire."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payment.answers import AuthorizationAged, GatewayAnswered
from services.payment.gateways.port import Answer, Unavailable
from services.payment.model import UNDO_WITHIN
from shared.contract.order import OrderCancelled
from shared.contract.payment import AuthorizationExpiring, RetriesNearlyExhausted, VoidFailed
from tests.support.clock import NOW
from tests.support.facts import CHECKOUT, a
from tests.support.solo import only
from tests.unit.payment.payments import BUSY, LOST, NO, POLICY, WAIT, answer, found, operation, payment, payment_in

AGED = AuthorizationAged(CHECKOUT)


@pytest.mark.parametrize("given", [BUSY, LOST, WAIT])
def test_an_operation_that_comes_to_nothing_is_told_of_once_after_minutes(given: Answer) -> None:
    made = payment_in("voiding")
    assert answer(made, *[given] * 5) == []
    made.now += POLICY.warn_after
    told = only(RetriesNearlyExhausted, answer(made, given))
    assert (told.operation, told.attempts, told.next_attempt_at) == ("void", 6, payment(made).due_at)
    assert told.gives_up_at == operation(made).gives_up_at == NOW + UNDO_WITHIN
    assert 4000 < told.allowed <= 6 + 3 * 24 * 60
    made.now += POLICY.warn_after
    assert answer(made, given) == []


def test_one_that_has_less_than_minutes_is_told_of_when_half_of_them_are_over() -> None:
    made = payment_in("authorizing")
    operation(made).until = made.now + timedelta(seconds=20)
    made.now += timedelta(seconds=9)
    assert answer(made, BUSY) == []
    made.now += timedelta(seconds=1)
    assert only(RetriesNearlyExhausted, answer(made, BUSY)).allowed == 3


def test_one_that_is_refused_is_told_of_before_the_last_refusals() -> None:
    made = payment_in("voiding")
    for _ in range(POLICY.attempts - 3):
        assert answer(made, NO, found("authorized")) == []
    told = only(RetriesNearlyExhausted, answer(made, NO))
    assert (told.attempts, told.allowed) == (POLICY.attempts - 2, POLICY.attempts)
    assert (told.code, told.reason) == (NO.code, NO.message)
    assert answer(made, found("authorized"), NO, found("authorized")) == []
    only(VoidFailed, answer(made, NO))


def test_the_next_operation_of_a_payment_is_told_of_anew() -> None:
    made = payment_in("capturing")
    for _ in range(2):
        made.now += POLICY.warn_after
        only(RetriesNearlyExhausted, answer(made, BUSY))
        answer(made, NO)
        made.hear(a(OrderCancelled), "cancelled")


@pytest.mark.parametrize(("seconds", "is_told"), [(None, False), (60.0, False), (61.0, True), (86_400.0, True)])
def test_a_gateway_that_asks_for_more_than_a_minute_is_told_of(seconds: float | None, is_told: bool) -> None:
    made = payment_in("capturing")
    assert [type(event) for event in answer(made, Unavailable("later", seconds))] == [RetriesNearlyExhausted] * is_told
    assert answer(made, Unavailable("later", seconds)) == []


def test_what_people_know_of_the_gateway_they_need_not_hear_of_each_payment() -> None:
    made = payment_in("voiding")
    made.now += POLICY.warn_after
    assert made.hear(GatewayAnswered(CHECKOUT, operation(made).serial, BUSY, in_trouble=True)) == []
    only(RetriesNearlyExhausted, answer(made, BUSY))


@pytest.mark.parametrize(("attempts", "warns_at_refusal"), [(8, 6), (4, 2), (3, 1), (2, 1), (1, 1)])
def test_it_is_told_two_attempts_before_the_last_where_there_are_as_many(attempts: int, warns_at_refusal: int) -> None:
    assert replace(POLICY, attempts=attempts).warns_at_refusal == warns_at_refusal


def test_an_authorization_nobody_captured_or_released_is_told_of_once() -> None:
    made = payment_in("authorized")
    assert payment(made).due_at == NOW + POLICY.authorization_warning
    assert made.hear(AGED) == [], "it is not time yet"
    made.now += POLICY.authorization_warning
    assert only(AuthorizationExpiring, made.hear(AGED)).authorized_at == NOW
    assert payment(made).due_at is None
    assert made.hear(AGED) == []


def test_a_warning_is_a_cause_with_a_name() -> None:
    assert AGED.id == "authorization/cart1.1"


@pytest.mark.parametrize("state", ["authorizing", "capturing", "captured", "voiding", "voided", "declined", "unknown"])
def test_where_nothing_is_held_in_vain_nobody_is_told(state: str) -> None:
    made = payment_in(state)
    due_at = payment(made).due_at
    made.now += timedelta(days=7)
    assert made.hear(AGED) == []
    assert payment(made).due_at == due_at, "what is due stays due"
