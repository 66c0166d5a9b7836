"""What each answer of the gateway means for each operation, up to the last attempt."""

from datetime import timedelta

import pytest

from services.payment.answers import GatewayAnswered
from services.payment.gateways.port import Answer, Declined, LookUp, Refused, Unavailable
from services.payment.model import backoff
from shared.contract.message import Message
from shared.contract.order import OrderCancelled
from shared.contract.payment import (
    CaptureFailed,
    PaymentAuthorized,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentVoided,
    RefundFailed,
    VoidFailed,
)
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
    OK,
    PART,
    POLICY,
    SPENT,
    STATE,
    WAIT,
    found,
    names,
    operation,
    outcome,
    payment,
    payment_in,
)

LATE = Unavailable("still busy")
"""The same, when the time for it is over."""
FINAL = [
    (kind, given, end)
    for kind, ends in {
        "authorize": [
            ([DONE], OK), ([NO], FAILED), ([BUG], FAILED), ([BUSY] * 9 + [LATE], FAILED),
            ([LOST, found("authorized")], OK), ([LOST, found("captured")], OK), ([LOST, found("declined")], FAILED),
            ([LOST, found("voided")], FAILED), ([LOST, found("expired")], FAILED), ([LOST, found("refunded")], FAILED),
            ([LOST, MISSING, DONE], OK), ([SPENT, MISSING, NO], FAILED),
            ([WAIT, found("processing"), found("authorized")], OK), ([WAIT, found("declined")], FAILED),
        ],
        "capture": [
            ([DONE], OK), ([NO], FAILED), ([BUG], FAILED), ([BUSY] * 9 + [LATE], FAILED), ([LOST, BUSY, LATE], FAILED),
            ([LOST, found("captured")], OK), ([LOST, found("authorized"), DONE], OK), ([LOST, found("expired")], FAILED),
            ([LOST, found("voided")], FAILED), ([LOST, found("refunded")], FAILED), ([LOST, found("declined")], FAILED),
            ([LOST, MISSING, found("captured")], OK), ([LOST] + [MISSING] * 4, FAILED),
            ([WAIT, found("processing"), found("captured")], OK), ([PART], FAILED),
            ([LOST, found("captured", captured=500)], FAILED),
        ],
        "void": [
            ([DONE], OK), ([BUG], FAILED), ([BUSY] * 9 + [LATE], FAILED), ([LOST, BUSY, LATE], FAILED),
            ([NO, found("authorized"), DONE], OK), ([NO, found("authorized")] * 3 + [NO], FAILED),
            ([LOST, found("voided")], OK), ([LOST, found("expired")], OK), ([LOST, found("declined")], OK),
            ([LOST, found("refunded")], OK), ([LOST, found("processing"), found("authorized"), DONE], OK),
            ([LOST, found("action_required"), DONE], OK),
        ],
        "refund": [
            ([DONE], OK), ([BUG], FAILED), ([BUSY] * 9 + [LATE], FAILED), ([NO, found("captured"), DONE], OK),
            ([LOST, found("refunded")], OK), ([LOST, found("voided")], OK), ([LOST, found("expired")], OK),
            ([LOST, found("declined")], OK), ([LOST] + [MISSING] * 4, FAILED), ([NO, found("captured")] * 3 + [NO], FAILED),
            ([WAIT, found("captured", refunding=2990), found("refunded")], OK),
            ([WAIT, found("captured", refunding=2990), found("captured", refund_failed=True)], FAILED),
            ([WAIT, found("captured", refund_failed=True)], FAILED),
            ([LOST, found("captured", refund_failed=True), DONE], OK),
        ],
    }.items()
    for given, end in ends
]  # fmt: skip


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
        waits = made.now + POLICY.authorization_warning if event.__class__ is PaymentAuthorized else None
        assert (payment(made).operation, payment(made).due_at) == (None, waits)
    assert end == FAILED or payment(made).authorization_id == "h1"


def at_the_end(made: Solo, answer: Answer | LookUp) -> list[Message]:
    """What is emitted when the gateway answers so once the time for it is over."""
    made.now = operation(made).gives_up_at
    return outcome(made, answer)


def test_an_answer_is_a_cause_of_its_own_so_that_what_follows_has_an_id_of_its_own() -> None:
    assert GatewayAnswered(CHECKOUT, 3, DONE).id == "gateway/cart1.1/3"


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
    assert (payment(made).state, payment(made).authorization_id) == ("voiding", "h1")
    assert (operation(made).kind, operation(made).step, payment(made).due_at) == ("void", "call", made.now)
    only(PaymentVoided, outcome(made, DONE))


def test_a_part_that_was_captured_is_given_back_and_no_more() -> None:
    made = payment_in("capturing")
    only(CaptureFailed, outcome(made, PART))
    made.hear(a(OrderCancelled))
    assert outcome(made, found("captured", captured=500)) == []
    assert (operation(made).kind, operation(made).refund_amount(payment(made))) == ("refund", 500)
    assert only(PaymentRefunded, outcome(made, DONE)).amount == 500


def test_what_somebody_gave_back_at_the_gateway_is_not_given_back_again() -> None:
    made = payment_in("refunding")
    key = operation(made).key
    assert outcome(made, LOST, found("captured", refunded=990)) == []
    assert operation(made).refund_amount(payment(made)) == 2000
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
def test_an_authorization_that_is_not_found_is_looked_for_until_none_can_arrive_any_more(first: Answer) -> None:
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
    """A process has asked and died; when all who ask after it hear no, its authorization may stand nevertheless."""
    made = payment_in("authorizing")
    made.hear(GatewayAnswered(CHECKOUT, operation(made).serial, BUSY, again=True))
    only(PaymentDeclined, [*outcome(made, *[BUSY] * 9), *at_the_end(made, BUSY)])
    assert (payment(made).state, operation(made).step) == ("voiding", "look_up")


@pytest.mark.parametrize("kind", ["void", "refund"])
def test_a_compensation_that_is_given_up_says_all_a_person_needs(kind: str) -> None:
    made = payment_in(STATE[kind])
    closed = Unavailable("the bank is closed", code="closed")
    (failed,) = [*outcome(made, *[closed] * 9), *at_the_end(made, closed)]
    assert isinstance(failed, VoidFailed | RefundFailed)
    assert failed.alarm
    assert (failed.gateway_reference, failed.authorization_id, failed.amount, failed.currency) == (CHECKOUT, "h1", 2990, "EUR")
    assert (failed.attempts, failed.code, failed.reason) == (10, "closed", "the bank is closed")


def test_a_mistake_of_ours_is_not_repeated() -> None:
    (failed,) = outcome(payment_in("voiding"), BUSY, BUSY, BUG)
    assert isinstance(failed, VoidFailed)
    assert (failed.attempts, failed.code, failed.reason) == (3, "api_key_invalid", "the key is not valid")


def test_a_refund_of_what_the_gateway_does_not_know_says_so() -> None:
    failed = only(RefundFailed, outcome(payment_in("refunding"), LOST, *[MISSING] * POLICY.attempts))
    assert (failed.code, failed.reason) == ("not_found", "the gateway does not know this payment")


# --- the order is off while the gateway works


@pytest.mark.parametrize(
    ("state", "given", "event", "then", "step"),
    [
        ("authorizing, unwanted", [DONE], PaymentAuthorized, "void", "call"),
        ("capturing, unwanted", [DONE], PaymentCaptured, "refund", "call"),
        ("capturing, unwanted", [NO], CaptureFailed, "void", "call"),
        ("capturing, unwanted", [BUG], CaptureFailed, "void", "look_up"),
        ("capturing, unwanted", [LOST, found("expired")], CaptureFailed, "void", "look_up"),
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
def test_an_unwanted_authorization_that_was_not_made_is_not_undone(given: Answer) -> None:
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
