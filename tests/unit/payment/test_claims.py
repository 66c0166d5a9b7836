"""A person says that money is settled: the gateway is asked first, and what it says decides."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payment.gateways.port import Answer, LookUp, PaymentState, Unavailable
from shared.contract.order import TotalsCalculated
from shared.contract.payment import (
    MarkRefunded,
    MarkVoided,
    PaymentRefunded,
    PaymentVoided,
    RetryVoid,
    SettlementDisputed,
)
from shared.contract.rejection import CommandRejected
from tests.support.facts import CHECKOUT, a
from tests.support.solo import Solo, codes, only
from tests.unit.payment.payments import BUG, LOST, MISSING, POLICY, answer, found, operation, payment, payment_in

AWAY = Unavailable("no connection to the gateway", code="no_connection")
MARKS = {"void_failed": (MarkVoided, PaymentVoided), "refund_failed": (MarkRefunded, PaymentRefunded)}
AGAINST: list[tuple[Answer | LookUp, str, str]] = [
    (found("authorized"), "still_held", "the gateway still holds 29.90 EUR (its payment h1)"),
    (found("captured"), "still_captured", "the gateway captured 29.90 EUR and has not refunded it (its payment h1)"),
    (PaymentState("h1", CHECKOUT, "captured", 2990, "EUR", 2990, 990), "still_captured", "captured 20.00 EUR and has not"),
    (replace(found("captured"), refunding=2990), "pending", "the gateway has not refunded 29.90 EUR yet"),
    (MISSING, "not_found", "the gateway does not know this payment"),
    (AWAY, "gateway_unreachable", "the gateway could not be asked: no connection to the gateway (no_connection)"),
    (LOST, "gateway_unreachable", "the gateway did not return the payment"),
    (BUG, "gateway_refused", "the key is not valid (api_key_invalid)"),
]
"""What a look-up may find, and what it says against the claim."""


def claimed(state: str, *, although: bool = False) -> Solo:
    """The service, when somebody has said that what is stuck is settled."""
    made = payment_in(state)
    assert made.hear(a(MARKS[state][0], by="eve", why="by telephone", although=although), "m7") == []
    return made


@pytest.mark.parametrize("state", MARKS)
def test_the_gateway_is_asked_before_anything_is_believed(state: str) -> None:
    made = claimed(state)
    assert (payment(made).state, payment(made).request(made.now), payment(made).due_at) == (state, "look_up", made.now)
    assert operation(made).is_first


@pytest.mark.parametrize("status", ["voided", "expired", "declined", "refunded"])
@pytest.mark.parametrize("state", MARKS)
@pytest.mark.parametrize("although", [False, True])
def test_who_is_right_is_believed(state: str, status: str, *, although: bool) -> None:
    made = claimed(state, although=although)
    (event,) = answer(made, found(status))  # type: ignore[arg-type]
    assert isinstance(event, PaymentVoided | PaymentRefunded)
    assert type(event) is MARKS[state][1]
    assert (event.marked_by, event.why) == ("eve", "by telephone")
    assert payment(made).state == state.replace("void_failed", "voided").replace("refund_failed", "refunded")
    assert (payment(made).operation, payment(made).due_at) == (None, None)


@pytest.mark.parametrize(("against", "code", "words"), AGAINST, ids=str)
@pytest.mark.parametrize("state", MARKS)
def test_a_contradiction_is_refused_with_what_was_found(state: str, against: Answer | LookUp, code: str, words: str) -> None:
    made = claimed(state)
    refused = only(CommandRejected, answer(made, against))
    assert (refused.command_id, refused.command_key, refused.command_type) == ("m7", "cart1", MARKS[state][0].__name__)
    assert (codes(refused), refused.reasons[0].subject) == ([code], "although")
    assert words in refused.reasons[0].message
    assert (payment(made).state, payment(made).operation, payment(made).due_at) == (state, None, None)


@pytest.mark.parametrize(("against", "code", "words"), AGAINST, ids=str)
@pytest.mark.parametrize("state", MARKS)
def test_what_is_claimed_although_the_gateway_says_otherwise_is_recorded_and_settles_nothing(
    state: str, against: Answer | LookUp, code: str, words: str
) -> None:
    made = claimed(state, although=True)
    disputed = only(SettlementDisputed, answer(made, against))
    assert (disputed.by, disputed.why, words in disputed.found) == ("eve", "by telephone", True)
    assert (payment(made).state, payment(made).operation) == (state, None)


def test_nobody_decides_while_the_gateway_is_asked() -> None:
    made = claimed("void_failed")
    for command in (MarkVoided, RetryVoid):
        assert codes(only(CommandRejected, made.hear(a(command)))) == ["busy"]
    only(PaymentVoided, answer(made, found("voided")))


def test_an_authorization_that_never_was_is_believed_to_be_none_once_no_request_for_it_can_arrive() -> None:
    made = Solo("payment")
    made.hear(a(TotalsCalculated))
    operation(made).until = made.now
    answer(made, LOST, BUG)
    assert (payment(made).state, payment(made).authorization_id) == ("void_failed", None)
    made.now += POLICY.arrives_within - timedelta(seconds=1)
    made.hear(a(MarkVoided))
    assert codes(only(CommandRejected, answer(made, MISSING))) == ["not_found"]
    made.now += timedelta(seconds=1)
    made.hear(a(MarkVoided))
    only(PaymentVoided, answer(made, MISSING))
