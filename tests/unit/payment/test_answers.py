"""What each answer of the gateway means for each operation, up to the last attempt."""

from datetime import timedelta
from typing import Any

import pytest

from proofs.simulation.wiring import CONTEXT
from services.payment.answers import GatewayAnswered, TimeIsUp
from services.payment.gateways.port import Answer, Declined, LookUp, NotFound, Refused, Unavailable, Unknown
from services.payment.model import LAST_CHANCE, UNDO_WITHIN, PaymentOperation, Policy, backoff
from shared.contract.message import Message
from shared.contract.order import OrderCancelled, OrderCreated, TotalsCalculated
from shared.contract.payment import (
    CaptureFailed,
    OperationNearlyGivenUp,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    RetryRefund,
    RetryVoid,
    VoidFailed,
)
from tests.support.clock import NOW
from tests.support.facts import CHECKOUT, a
from tests.support.solo import Solo, only
from tests.unit.payment.payments import (
    BUG,
    DONE,
    LOST,
    NO,
    PART,
    WAIT,
    answer,
    found,
    operation,
    outcome,
    payment,
    payment_in,
)

STATE = {"authorize": "authorizing", "capture": "capturing", "void": "voiding", "refund": "refunding"}
BUSY = Unavailable("busy")
LATE = Unavailable("still busy")
"""The same, when the time for it is over."""
SPENT = Unknown("HTTP 500", "internal_error", key_spent=True)
MISSING = NotFound(CHECKOUT)
POLICY: Policy = CONTEXT[Policy]
ATTEMPTS = POLICY.attempts
OK, FAILED = "success", "failure"
ENDS: dict[str, dict[str, tuple[str, type[Message]]]] = {
    "authorize": {OK: ("authorized", PaymentAuthorized), FAILED: ("declined", PaymentDeclined)},
    "capture": {OK: ("captured", PaymentCaptured), FAILED: ("capture_failed", CaptureFailed)},
    "void": {OK: ("voided", PaymentVoided), FAILED: ("void_failed", VoidFailed)},
    "refund": {OK: ("refunded", PaymentRefunded), FAILED: ("refund_failed", RefundFailed)},
}

FINAL = [
    (kind, given, end)
    for kind, ends in {
        "authorize": [
            ([DONE], OK), ([NO], FAILED), ([BUG], FAILED), ([BUSY] * 9 + [LATE], FAILED),
            ([LOST, found("authorized")], OK), ([LOST, found("captured")], OK), ([LOST, found("declined")], FAILED),
            ([LOST, found("voided")], FAILED), ([LOST, found("lapsed")], FAILED), ([LOST, found("refunded")], FAILED),
            ([LOST, MISSING, DONE], OK), ([SPENT, MISSING, NO], FAILED),
            ([WAIT, found("processing"), found("authorized")], OK), ([WAIT, found("declined")], FAILED),
        ],
        "capture": [
            ([DONE], OK), ([NO], FAILED), ([BUG], FAILED), ([BUSY] * 9 + [LATE], FAILED), ([LOST, BUSY, LATE], FAILED),
            ([LOST, found("captured")], OK), ([LOST, found("authorized"), DONE], OK), ([LOST, found("lapsed")], FAILED),
            ([LOST, found("voided")], FAILED), ([LOST, found("refunded")], FAILED), ([LOST, found("declined")], FAILED),
            ([LOST, MISSING, found("captured")], OK), ([LOST] + [MISSING] * 4, FAILED),
            ([WAIT, found("processing"), found("captured")], OK), ([PART], FAILED),
            ([LOST, found("captured", captured=500)], FAILED),
        ],
        "void": [
            ([DONE], OK), ([BUG], FAILED), ([BUSY] * 9 + [LATE], FAILED), ([LOST, BUSY, LATE], FAILED),
            ([NO, found("authorized"), DONE], OK), ([NO, found("authorized")] * 3 + [NO], FAILED),
            ([LOST, found("voided")], OK), ([LOST, found("lapsed")], OK), ([LOST, found("declined")], OK),
            ([LOST, found("refunded")], OK), ([LOST, found("processing"), found("authorized"), DONE], OK),
            ([LOST, found("action_required"), DONE], OK),
        ],
        "refund": [
            ([DONE], OK), ([BUG], FAILED), ([BUSY] * 9 + [LATE], FAILED), ([NO, found("captured"), DONE], OK),
            ([LOST, found("refunded")], OK), ([LOST, found("voided")], OK), ([LOST, found("lapsed")], OK),
            ([LOST, found("declined")], OK), ([LOST] + [MISSING] * 4, FAILED), ([NO, found("captured")] * 3 + [NO], FAILED),
            ([WAIT, found("captured", refunding=2990), found("refunded")], OK),
            ([WAIT, found("captured", refunding=2990), found("captured", refund_failed=True)], FAILED),
            ([WAIT, found("captured", refund_failed=True)], FAILED),
            ([LOST, found("captured", refund_failed=True), DONE], OK),
        ],
    }.items()
    for given, end in ends
]  # fmt: skip


def names(value: Any) -> str | None:
    """Answers by their types, for the names of tests."""
    if not isinstance(value, list):
        return None
    return ",".join(getattr(each, "status", type(each).__name__) for each in value)


@pytest.mark.parametrize(("kind", "answers", "end"), FINAL, ids=names)
def test_answers_lead_to_one_end(kind: str, answers: list[Answer | LookUp], end: str) -> None:
    made = payment_in(STATE[kind])
    *before, last = answers
    assert outcome(made, *before) == []
    if last is LATE:
        made.now = operation(made).gives_up_at
    event = only(ENDS[kind][end][1], outcome(made, last))
    assert (event.key, event.subject) == ("cart1", CHECKOUT)
    if not (kind == "authorize" and LOST in answers and end == FAILED):
        assert payment(made).state == ENDS[kind][end][0]
        waits = made.now + POLICY.hold_warning if event.__class__ is PaymentAuthorized else None
        assert (payment(made).operation, payment(made).due_at) == (None, waits)
    assert end == FAILED or payment(made).hold == "h1"


def at_the_end(made: Solo, answer: Answer | LookUp) -> list[Message]:
    """What is emitted when the gateway answers so once the time for it is over."""
    made.now = operation(made).gives_up_at
    return outcome(made, answer)


def test_an_answer_is_a_cause_of_its_own_so_that_what_follows_has_an_id_of_its_own() -> None:
    assert GatewayAnswered(CHECKOUT, 3, DONE).id == "gateway/cart1.1/3"


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
def test_unknown_means_a_look_before_anything_else(kind: str) -> None:
    first, again, _ = asked_again(LOST, kind)
    assert (again.step, again.key, again.uncertain) == ("look_up", first.key, True)


@pytest.mark.parametrize("kind", STATE)
def test_a_look_is_asked_for_where_it_is_due(kind: str) -> None:
    made = payment_in(STATE[kind])
    outcome(made, LOST)
    assert payment(made).request(made.now) == "look_up"


@pytest.mark.parametrize("kind", STATE)
def test_a_look_that_fails_is_taken_again(kind: str) -> None:
    made = payment_in(STATE[kind])
    outcome(made, LOST, BUSY)
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


def test_the_gateway_may_ask_for_more_patience_and_not_for_less() -> None:
    assert asked_again(Unavailable("slow down", retry_after=30.0))[2] == 30.0
    assert asked_again(Unavailable("slow down", retry_after=0.0))[2] >= 0.5


@pytest.mark.parametrize("seconds", [3600.0, 3601.0, 86_400.0, 1e9])
def test_no_gateway_is_waited_for_longer_than_an_hour(seconds: float) -> None:
    for given in (Unavailable("come back tomorrow", retry_after=seconds), Unknown("come back tomorrow", retry_after=seconds)):
        made = payment_in("voiding")
        told = only(OperationNearlyGivenUp, answer(made, given))
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
    assert operation(made).gives_up_at == NOW + POLICY.hold_warning, "a capture, as long as the hold lives"
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
    assert made.hear(TimeIsUp(CHECKOUT, serial)) == []
    made.now += timedelta(seconds=1)
    assert made.hear(TimeIsUp(CHECKOUT, serial - 1)) == []
    event = only(ENDS[kind][FAILED][1], made.hear(TimeIsUp(CHECKOUT, serial)))
    assert (getattr(event, "code", None), payment(made).operation) == ("gateway_in_trouble", None)
    assert made.hear(TimeIsUp(CHECKOUT, serial)) == []


def test_what_is_held_back_and_may_have_been_asked_for_is_undone() -> None:
    made = payment_in("authorizing")
    made.now = operation(made).gives_up_at
    only(PaymentDeclined, made.hear(TimeIsUp(CHECKOUT, operation(made).serial, again=True)))
    assert (payment(made).state, operation(made).kind, operation(made).step) == ("voiding", "void", "look_up")


@pytest.mark.parametrize(("state", "event"), [("authorizing", PaymentDeclined), ("capturing", CaptureFailed)])
def test_what_is_held_back_and_not_wanted_any_more_is_given_up_at_once(state: str, event: type[Message]) -> None:
    made = payment_in(f"{state}, unwanted")
    only(event, made.hear(TimeIsUp(CHECKOUT, operation(made).serial)))


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
    assert not operation(made).lasts_too_long(POLICY, made.now + timedelta(minutes=1))
    assert operation(made).lasts_too_long(POLICY, made.now + timedelta(minutes=2))


# --- only what was asked for is a success


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([PART], "other_amount"),
        ([LOST, found("authorized", held=500)], "other_amount"),
        ([LOST, found("captured", captured=500)], "other_amount"),
        ([LOST, found("action_required")], "authentication_required"),
        ([WAIT, found("action_required")], "authentication_required"),
    ],
)
def test_a_payment_that_is_not_what_was_asked_for_is_declined_and_undone(given: list[Answer | LookUp], code: str) -> None:
    made = payment_in("authorizing")
    *before, last = given
    assert outcome(made, *before) == []
    assert only(PaymentDeclined, outcome(made, last)).code == code
    assert (payment(made).state, payment(made).hold) == ("voiding", "h1")
    assert (operation(made).kind, operation(made).step, payment(made).due_at) == ("void", "call", made.now)
    only(PaymentVoided, outcome(made, DONE))


def test_a_part_that_was_captured_is_given_back_and_no_more() -> None:
    made = payment_in("capturing")
    only(CaptureFailed, outcome(made, PART))
    made.hear(a(OrderCancelled))
    assert outcome(made, found("captured", captured=500)) == []
    assert (operation(made).kind, operation(made).given(payment(made))) == ("refund", 500)
    assert only(PaymentRefunded, outcome(made, DONE)).amount == 500


def test_what_somebody_gave_back_at_the_gateway_is_not_given_back_again() -> None:
    made = payment_in("refunding")
    key = operation(made).key
    assert outcome(made, LOST, found("captured", refunded=990)) == []
    assert operation(made).given(payment(made)) == 2000
    assert operation(made).key != key, "a key is never used for another amount"
    assert outcome(made, LOST, found("captured", refunded=990)) == []
    assert only(RefundFailed, outcome(made, BUG)).amount == 2000


def test_a_refund_that_came_to_nothing_says_so() -> None:
    failed = only(RefundFailed, outcome(payment_in("refunding"), WAIT, found("captured", refund_failed=True)))
    assert (failed.code, failed.reason) == ("refund_failed", "the gateway says that the refund is failed")


def test_a_refund_that_is_pending_is_not_asked_for_again() -> None:
    made = payment_in("refunding")
    key = operation(made).key
    outcome(made, WAIT, found("captured", refunding=2990))
    assert (operation(made).step, operation(made).key) == ("look_up", key)


def test_what_was_turned_away_on_the_way_may_have_been_done_nevertheless() -> None:
    made = payment_in("authorizing")
    turned_away = Unavailable("HTTP 503", code="http_503", uncertain=True)
    only(PaymentDeclined, [*outcome(made, turned_away), *at_the_end(made, BUSY)])
    assert (payment(made).state, operation(made).step) == ("voiding", "look_up")


def test_an_answer_that_is_unknown_may_ask_for_patience_too() -> None:
    assert asked_again(Unknown("HTTP 502", "http_502", retry_after=30.0))[2] == 30.0


# --- the money never ends silently


def test_an_authorization_that_ends_unknown_is_declined_and_voided_in_case_it_holds() -> None:
    made = payment_in("authorizing")
    declined = only(PaymentDeclined, [*outcome(made, *[LOST] * 9), *at_the_end(made, LOST)])
    assert declined.reason == "the payment could not be made; try again or choose another way to pay"
    assert (payment(made).state, operation(made).kind, operation(made).step) == ("voiding", "void", "look_up")
    assert outcome(made, MISSING) == []
    made.now += POLICY.arrives_within
    only(PaymentVoided, outcome(made, MISSING))


@pytest.mark.parametrize("first", [LOST, NO])
def test_a_hold_that_is_not_found_is_looked_for_until_none_can_arrive_any_more(first: Answer) -> None:
    """The request that makes it may be on its way still; and no look is an attempt that failed."""
    made = payment_in("voiding")
    began = made.now
    outcome(made, first)
    looks = 0
    final = began + POLICY.arrives_within
    while made.now < final:
        assert (payment(made).state, operation(made).step, operation(made).attempts) == ("voiding", "look_up", 1)
        assert outcome(made, MISSING) == []
        looks += 1
        wait = timedelta(seconds=backoff(operation(made).key, looks, POLICY.backoff_seconds))
        due_at = min(made.now + wait, final)
        assert payment(made).due_at == due_at
        assert not operation(made).is_first
        made.now = due_at
    assert looks >= 5
    only(PaymentVoided, outcome(made, MISSING))


def test_nothing_was_done_is_not_the_whole_truth_where_another_may_have_asked_before() -> None:
    """A process has asked and died; when all who ask after it hear no, its hold may stand nevertheless."""
    made = payment_in("authorizing")
    made.hear(GatewayAnswered(CHECKOUT, operation(made).serial, BUSY, again=True))
    only(PaymentDeclined, [*outcome(made, *[BUSY] * 9), *at_the_end(made, BUSY)])
    assert (payment(made).state, operation(made).step) == ("voiding", "look_up")


def test_an_authorization_known_to_have_failed_holds_nothing_to_void() -> None:
    made = payment_in("authorizing")
    only(PaymentDeclined, [*outcome(made, *[BUSY] * 9), *at_the_end(made, BUSY)])
    assert payment(made).operation is None


@pytest.mark.parametrize("kind", ["void", "refund"])
def test_a_compensation_that_is_given_up_says_all_a_person_needs(kind: str) -> None:
    made = payment_in(STATE[kind])
    closed = Unavailable("the bank is closed", code="closed")
    (failed,) = [*outcome(made, *[closed] * 9), *at_the_end(made, closed)]
    assert isinstance(failed, VoidFailed | RefundFailed)
    assert failed.alarm
    assert (failed.gateway_reference, failed.hold, failed.amount, failed.currency) == (CHECKOUT, "h1", 2990, "EUR")
    assert (failed.attempts, failed.code, failed.reason) == (10, "closed", "the bank is closed")


def test_a_mistake_of_ours_is_not_repeated() -> None:
    (failed,) = outcome(payment_in("voiding"), BUSY, BUSY, BUG)
    assert isinstance(failed, VoidFailed)
    assert (failed.attempts, failed.code, failed.reason) == (3, "api_key_invalid", "the key is not valid")


def test_a_refund_of_what_the_gateway_does_not_know_says_so() -> None:
    failed = only(RefundFailed, outcome(payment_in("refunding"), LOST, *[MISSING] * ATTEMPTS))
    assert (failed.code, failed.reason) == ("not_found", "the gateway does not know this payment")


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
    assert outcome(made, found("captured"), WAIT, *[BUSY] * (ATTEMPTS - 2)) == []
    assert payment(made).state == "refunding"


def test_a_hold_a_person_cannot_find_is_none_once_no_request_for_it_can_arrive_any_more() -> None:
    made = Solo("payment")
    made.hear(a(TotalsCalculated))
    operation(made).until = made.now
    outcome(made, LOST, BUG)
    assert (payment(made).state, payment(made).hold) == ("void_failed", None)
    made.hear(a(RetryVoid))
    assert only(VoidFailed, answer(made, MISSING)).code == "not_found"
    made.now += POLICY.arrives_within
    made.hear(a(RetryVoid))
    only(PaymentVoided, answer(made, MISSING))


# --- the order is off while the gateway works


@pytest.mark.parametrize(
    ("state", "given", "event", "then", "step"),
    [
        ("authorizing, unwanted", [DONE], PaymentAuthorized, "void", "call"),
        ("capturing, unwanted", [DONE], PaymentCaptured, "refund", "call"),
        ("capturing, unwanted", [NO], CaptureFailed, "void", "call"),
        ("capturing, unwanted", [BUG], CaptureFailed, "void", "look_up"),
        ("capturing, unwanted", [LOST, found("lapsed")], CaptureFailed, "void", "look_up"),
        ("capturing, unwanted", [LOST, found("authorized")], CaptureFailed, "void", "look_up"),
        ("capturing, unwanted", [BUSY], CaptureFailed, "void", "look_up"),
        ("authorizing, unwanted", [LOST, MISSING], PaymentDeclined, "void", "look_up"),
    ],
    ids=names,
)
def test_what_comes_of_an_unwanted_request_is_undone_at_once(
    state: str, given: list[Answer | LookUp], event: type[Message], then: str, step: str
) -> None:
    made = payment_in(state)
    only(event, outcome(made, *given))
    assert (payment(made).state, operation(made).kind, operation(made).step) == (STATE[then], then, step)
    assert payment(made).due_at == made.now


@pytest.mark.parametrize("given", [NO, BUSY])
def test_an_unwanted_hold_that_was_not_made_is_not_undone(given: Answer) -> None:
    made = payment_in("authorizing, unwanted")
    only(PaymentDeclined, outcome(made, given))
    assert (payment(made).state, payment(made).operation, payment(made).due_at) == ("declined", None, None)


def test_a_capture_that_may_have_landed_is_looked_at_before_the_void() -> None:
    made = payment_in("capturing, unwanted")
    only(CaptureFailed, outcome(made, LOST, Declined("wrong_state", "it is captured")))
    assert (operation(made).kind, operation(made).step) == ("void", "look_up")
    outcome(made, found("captured"))
    assert (payment(made).state, operation(made).kind, payment(made).due_at) == ("refunding", "refund", made.now)
    only(PaymentRefunded, outcome(made, DONE))


def test_a_refund_of_what_was_only_held_becomes_a_void() -> None:
    made = payment_in("refunding")
    assert outcome(made, LOST, found("authorized")) == []
    assert (payment(made).state, operation(made).kind, payment(made).due_at) == ("voiding", "void", made.now)
    only(PaymentVoided, outcome(made, DONE))


def test_a_capture_that_failed_uncertainly_is_looked_at_when_the_order_is_cancelled() -> None:
    made: Solo = payment_in("capturing")
    only(CaptureFailed, outcome(made, Refused("bug", "ours")))
    made.hear(a(OrderCancelled))
    assert (operation(made).kind, operation(made).step) == ("void", "look_up")


@pytest.mark.parametrize(("attempts", "not_found", "first"), [(0, 0, True), (1, 0, False), (0, 1, False), (2, 3, False)])
def test_only_what_nothing_came_of_yet_is_asked_for_at_once(attempts: int, not_found: int, *, first: bool) -> None:
    made = payment_in("voiding")
    operation(made).attempts, operation(made).not_found = attempts, not_found
    assert operation(made).is_first is first
