"""What is asked of the gateway again: when, how long, with which key, and what a person tries once more."""

from datetime import timedelta

import pytest

from services.payment.answers import OperationTimedOut
from services.payment.gateways.port import Answer, LookUp, Unavailable, Unknown
from services.payment.model import LAST_CHANCE, UNDO_WITHIN, PaymentOperation, backoff
from shared.contract.message import Message
from shared.contract.order import OrderCancelled, OrderCreated, TotalsCalculated
from shared.contract.payment import (
    CaptureFailed,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RetriesNearlyExhausted,
    RetryRefund,
    RetryVoid,
    VoidFailed,
)
from tests.support.clock import NOW
from tests.support.facts import CHECKOUT, a
from tests.support.solo import Solo, only
from tests.unit.payment.payments import (
    BUG,
    BUSY,
    DONE,
    ENDS,
    FAILED,
    LOST,
    MISSING,
    NO,
    POLICY,
    SPENT,
    STATE,
    WAIT,
    answer,
    found,
    names,
    operation,
    outcome,
    payment,
    payment_in,
)

# --- asked again


def asked_again(given: Answer | LookUp, kind: str = "authorize") -> tuple[PaymentOperation, PaymentOperation, float]:
    """The operation before and after an answer, and the seconds it waits for."""
    made = payment_in(STATE[kind])
    before = operation(made)
    first = PaymentOperation(before.kind, before.key, before.serial, before.step, before.began_at)
    assert outcome(made, given) == []
    due_at = payment(made).due_at
    assert due_at is not None
    return first, operation(made), (due_at - made.now).total_seconds()


@pytest.mark.parametrize("kind", STATE)
def test_unavailable_means_the_same_call_later(kind: str) -> None:
    first, again, wait = asked_again(BUSY, kind)
    assert (again.step, again.key, again.attempts, again.uncertain) == ("call", first.key, 1, False)
    assert again.serial == first.serial + 1
    assert wait == pytest.approx(backoff(first.key, 1, POLICY.backoff_seconds))


@pytest.mark.parametrize("kind", STATE)
def test_unknown_means_a_look_before_anything_else_and_one_that_fails_is_taken_again(kind: str) -> None:
    made = payment_in(STATE[kind])
    key = operation(made).key
    outcome(made, LOST)
    assert (operation(made).step, operation(made).key, operation(made).uncertain) == ("look_up", key, True)
    assert payment(made).request(made.now) == "look_up"
    outcome(made, BUSY)
    assert (operation(made).step, operation(made).attempts) == ("look_up", 2)


@pytest.mark.parametrize("kind", ["void", "refund"])
def test_a_refused_compensation_is_looked_at_and_tried_with_a_new_key(kind: str) -> None:
    made = payment_in(STATE[kind])
    key = operation(made).key
    outcome(made, NO)
    assert operation(made).step == "look_up"
    outcome(made, found("authorized" if kind == "void" else "captured"))
    assert operation(made).step == "call"
    assert operation(made).key != key


@pytest.mark.parametrize(("given", "same"), [(LOST, True), (SPENT, False)])
def test_what_was_not_done_is_asked_for_again_at_once(given: Answer, same: bool) -> None:
    """With the same key, as the first request may still arrive; with a new one where the key has a stored answer."""
    made = payment_in("authorizing")
    key = operation(made).key
    outcome(made, given, MISSING)
    assert (operation(made).step, operation(made).key == key) == ("call", same)
    assert payment(made).due_at == made.now


def test_a_new_key_has_no_stored_answer_yet() -> None:
    made = payment_in("authorizing")
    outcome(made, SPENT, MISSING)
    key = operation(made).key
    outcome(made, LOST, MISSING)
    assert operation(made).key == key


@pytest.mark.parametrize("kind", [Unavailable, Unknown])
def test_the_gateway_may_ask_for_more_patience_and_not_for_less(kind: type[Unavailable | Unknown]) -> None:
    assert asked_again(kind("slow down", retry_after=30.0))[2] == 30.0
    assert asked_again(kind("slow down", retry_after=0.0))[2] >= 0.5


@pytest.mark.parametrize("seconds", [3600.0, 3601.0, 86_400.0, 1e9])
def test_no_gateway_is_waited_for_longer_than_an_hour(seconds: float) -> None:
    for given in (Unavailable("come back tomorrow", retry_after=seconds), Unknown("come back tomorrow", retry_after=seconds)):
        made = payment_in("voiding")
        told = only(RetriesNearlyExhausted, answer(made, given))
        assert payment(made).due_at == told.next_attempt_at == made.now + timedelta(hours=1)


def test_waits_double_up_to_a_limit_and_differ_from_payment_to_payment() -> None:
    for attempts in [*range(1, 20), 100_000]:
        bound = min(60.0, 2.0 ** min(attempts - 1, 100))
        waits = {backoff(f"cart{n}.1:void:1", attempts, 1.0) for n in range(50)}
        assert bound * 0.5 <= min(waits) < bound * 0.55
        assert bound * 0.95 < max(waits) <= bound
        assert len(waits) == 50


@pytest.mark.parametrize("kind", STATE)
def test_an_old_key_proves_nothing_so_the_gateway_is_looked_at_first(kind: str) -> None:
    made = payment_in(STATE[kind])
    keys = payment(made).keys
    assert operation(made).key == f"{CHECKOUT}:{kind}:{keys}"
    operation(made).until = made.now + timedelta(days=3)
    made.now += timedelta(hours=23)
    assert payment(made).request(made.now) == kind
    made.now += timedelta(microseconds=1)
    assert payment(made).request(made.now) == "look_up"
    outcome(made, BUSY)
    assert payment(made).request(made.now) == "look_up"
    if kind in ("authorize", "void"):
        outcome(made, found("authorized") if kind == "void" else MISSING)
        assert operation(made).key == f"{CHECKOUT}:{kind}:{keys + 1}"
        assert payment(made).request(made.now) == kind


def test_keys_are_never_used_for_something_else() -> None:
    made = payment_in("authorizing")
    keys = {operation(made).key}
    outcome(made, DONE)
    made.hear(a(OrderCancelled))
    for _ in range(3):
        keys.add(operation(made).key)
        outcome(made, NO, found("authorized"))
    outcome(made, BUG)
    made.hear(a(RetryVoid))
    keys.add(operation(made).key)
    assert len(keys) == 5
    assert all(len(key) <= 255 for key in keys)


def test_requests_are_numbered_through_so_that_no_answer_is_taken_for_that_to_another() -> None:
    made = payment_in("authorizing")
    numbers = [operation(made).serial]
    outcome(made, LOST)
    numbers.append(operation(made).serial)
    outcome(made, found("authorized"))
    made.hear(a(OrderCancelled))
    numbers.append(operation(made).serial)
    outcome(made, NO)
    numbers.append(operation(made).serial)
    assert numbers == list(range(numbers[0], numbers[0] + 4))


# --- how long it is tried


def test_each_operation_is_tried_as_long_as_it_is_worth_something() -> None:
    for kind, within in (("authorize", POLICY.authorize_within), ("void", UNDO_WITHIN), ("refund", UNDO_WITHIN)):
        made = payment_in(STATE[kind])
        assert operation(made).gives_up_at == made.now + within
    made = payment_in("authorized")
    made.now += timedelta(days=1)
    made.hear(a(OrderCreated))
    assert operation(made).gives_up_at == NOW + POLICY.authorization_warning, "a capture, as long as the authorization lives"
    made = payment_in("authorized")
    made.now += timedelta(days=6, hours=1)
    made.hear(a(OrderCreated))
    assert operation(made).gives_up_at == made.now + LAST_CHANCE


@pytest.mark.parametrize("kind", STATE)
def test_the_last_attempt_is_when_the_time_is_over(kind: str) -> None:
    made = payment_in(STATE[kind])
    made.now = operation(made).gives_up_at - timedelta(seconds=0.1)
    outcome(made, BUSY)
    assert payment(made).due_at == operation(made).gives_up_at
    made.now += timedelta(seconds=0.1)
    only(ENDS[kind][FAILED][1], outcome(made, BUSY))


@pytest.mark.parametrize("kind", STATE)
def test_what_is_held_back_is_given_up_when_its_time_is_over_and_not_sooner(kind: str) -> None:
    made = payment_in(STATE[kind])
    serial = operation(made).serial
    made.now = operation(made).gives_up_at - timedelta(seconds=1)
    assert made.hear(OperationTimedOut(CHECKOUT, serial)) == []
    made.now += timedelta(seconds=1)
    assert made.hear(OperationTimedOut(CHECKOUT, serial - 1)) == []
    event = only(ENDS[kind][FAILED][1], made.hear(OperationTimedOut(CHECKOUT, serial)))
    assert (getattr(event, "code", None), payment(made).operation) == ("gateway_in_trouble", None)
    assert made.hear(OperationTimedOut(CHECKOUT, serial)) == []


def test_what_is_held_back_and_may_have_been_asked_for_is_undone() -> None:
    made = payment_in("authorizing")
    made.now = operation(made).gives_up_at
    only(PaymentDeclined, made.hear(OperationTimedOut(CHECKOUT, operation(made).serial, again=True)))
    assert (payment(made).state, operation(made).kind, operation(made).step) == ("voiding", "void", "look_up")


@pytest.mark.parametrize(("state", "event"), [("authorizing", PaymentDeclined), ("capturing", CaptureFailed)])
def test_what_is_held_back_and_not_wanted_any_more_is_given_up_at_once(state: str, event: type[Message]) -> None:
    made = payment_in(f"{state}, unwanted")
    only(event, made.hear(OperationTimedOut(CHECKOUT, operation(made).serial)))


@pytest.mark.parametrize("state", ["authorizing", "capturing"])
def test_what_nobody_wants_any_more_is_looked_up_and_not_asked_for_again(state: str) -> None:
    made = payment_in(state)
    outcome(made, BUSY)
    made.hear(a(OrderCancelled))
    assert payment(made).request(made.now) == "look_up"


def test_a_request_of_an_earlier_version_has_its_time_too() -> None:
    made = payment_in("voiding")
    operation(made).until = operation(made).since = None
    assert operation(made).gives_up_at == made.now + UNDO_WITHIN
    assert not operation(made).is_warning_due(POLICY, made.now + timedelta(minutes=1))
    assert operation(made).is_warning_due(POLICY, made.now + timedelta(minutes=2))


@pytest.mark.parametrize(("attempts", "not_found", "first"), [(0, 0, True), (1, 0, False), (0, 1, False), (2, 3, False)])
def test_only_what_nothing_came_of_yet_is_asked_for_at_once(attempts: int, not_found: int, *, first: bool) -> None:
    made = payment_in("voiding")
    operation(made).attempts, operation(made).not_found = attempts, not_found
    assert operation(made).is_first is first


# --- a person tries once more and waits for the answer

RETRIED = [
    ("void", [found("authorized"), DONE], PaymentVoided),
    ("void", [found("voided")], PaymentVoided),
    ("void", [found("authorized"), NO], VoidFailed),
    ("void", [found("authorized"), BUSY], VoidFailed),
    ("void", [found("authorized"), LOST], VoidFailed),
    ("void", [BUSY], VoidFailed),
    ("void", [found("captured"), DONE], PaymentRefunded),
    ("void", [found("captured"), NO], RefundFailed),
    ("refund", [found("captured"), DONE], PaymentRefunded),
    ("refund", [found("refunded")], PaymentRefunded),
    ("refund", [found("captured"), NO], RefundFailed),
    ("refund", [found("captured"), LOST], RefundFailed),
    ("refund", [BUSY], RefundFailed),
    ("refund", [MISSING], RefundFailed),
    ("refund", [found("authorized"), NO], VoidFailed),
]


@pytest.mark.parametrize(("kind", "answers", "end"), RETRIED, ids=names)
def test_what_a_person_tries_again_is_one_attempt_answered_at_once(
    kind: str, answers: list[Answer | LookUp], end: type[Message]
) -> None:
    made = payment_in(f"{kind}_failed")
    made.hear(a(RetryVoid if kind == "void" else RetryRefund))
    *before, last = answers
    for each in before:
        assert answer(made, each) == []
        assert payment(made).due_at == made.now, "no pause: a person waits"
    event = only(end, answer(made, last))
    assert payment(made).operation is None
    if isinstance(event, VoidFailed | RefundFailed):
        assert event.attempts == 1


def test_what_the_gateway_has_taken_up_and_does_not_know_yet_has_not_failed_for_a_person_either() -> None:
    made = payment_in("refund_failed")
    made.hear(a(RetryRefund))
    assert outcome(made, found("captured"), WAIT, *[BUSY] * (POLICY.attempts - 2)) == []
    assert payment(made).state == "refunding"


def test_an_authorization_a_person_cannot_find_is_none_once_no_request_for_it_can_arrive_any_more() -> None:
    made = Solo("payment")
    made.hear(a(TotalsCalculated))
    operation(made).until = made.now
    outcome(made, LOST, BUG)
    assert (payment(made).state, payment(made).authorization_id) == ("void_failed", None)
    made.hear(a(RetryVoid))
    assert only(VoidFailed, answer(made, MISSING)).code == "not_found"
    made.now += POLICY.arrives_within
    made.hear(a(RetryVoid))
    only(PaymentVoided, answer(made, MISSING))
