"""The rules of a payment at the gateway."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstack.sandbox.intents import Intent, RefusalError

HOLD = Intent("pi_1", "checkout-1", "tok_approve", "", 1000, "EUR", created=0, expires_at=100, updated=0)


def test_an_authorization_is_captured_then_refunded() -> None:
    captured = HOLD.capture(None, 1)
    assert (captured.status(2), captured.captured) == ("captured", 1000)
    part = captured.refund(400, 3)
    assert (part.status(4), part.refunded) == ("captured", 400)
    assert part.refund(None, 5).status(200) == "refunded"


def test_an_authorization_is_voided_only_before_capture() -> None:
    assert HOLD.void(1).status(2) == "voided"
    with pytest.raises(RefusalError, match="is captured"):
        HOLD.capture(1, 1).void(2)


def test_an_authorization_expires_unless_captured() -> None:
    assert HOLD.status(99.9) == "authorized"
    assert HOLD.status(100) == "expired"
    assert HOLD.capture(None, 99).status(101) == "captured"
    with pytest.raises(RefusalError) as caught:
        HOLD.capture(None, 100)
    assert caught.value.code == "charge_expired_for_capture"


@pytest.mark.parametrize("wrong", [HOLD.void(1), HOLD.capture(1, 1), replace(HOLD, declined="expired_card")])
def test_only_a_open_authorization_is_captured(wrong: Intent) -> None:
    with pytest.raises(RefusalError) as caught:
        wrong.capture(None, 2)
    assert caught.value.code == "payment_intent_unexpected_state"


def test_never_more_than_there_is() -> None:
    with pytest.raises(RefusalError):
        HOLD.capture(1001, 1)
    with pytest.raises(RefusalError):
        HOLD.capture(500, 1).refund(501, 2)
    with pytest.raises(RefusalError, match="has been refunded"):
        HOLD.capture(500, 1).refund(500, 2).refund(1, 3)
    with pytest.raises(RefusalError, match="authorized"):
        HOLD.refund(1, 1)


def test_a_refund_takes_its_time_and_may_come_to_nothing() -> None:
    captured = HOLD.capture(None, 1)
    begun = captured.begin_refund(None, 2, 5, failing=False)
    assert (begun.at(6).refunded, begun.at(6).pending, begun.status(6)) == (0, 1000, "captured")
    assert (begun.at(7).refunded, begun.at(7).pending, begun.status(7)) == (1000, 0, "refunded")
    with pytest.raises(RefusalError):
        begun.refund(1, 6)
    failed = captured.begin_refund(None, 2, 5, failing=True).at(7)
    assert (failed.refunded, failed.refund_failed, failed.status(7)) == (0, True, "captured")
    assert failed.refund(None, 8).status(8) == "refunded"


def test_a_part_is_all_that_can_be_captured() -> None:
    part = replace(HOLD, held=300)
    with pytest.raises(RefusalError):
        part.capture(301, 1)
    assert part.capture(None, 1).captured == 300


def test_a_challenge_holds_nothing_and_can_be_cancelled() -> None:
    challenged = replace(HOLD, challenged=True)
    assert challenged.status(1) == "action_required"
    assert challenged.void(1).status(1) == "voided"
    with pytest.raises(RefusalError):
        challenged.capture(None, 1)


def test_what_is_processing_is_known_later() -> None:
    processing = replace(HOLD, ready=5)
    assert (processing.status(4), processing.status(5)) == ("processing", "authorized")
    with pytest.raises(RefusalError):
        processing.void(4)


@given(st.lists(st.tuples(st.sampled_from(["capture", "void", "refund"]), st.integers(1, 1500)), max_size=12))
def test_no_sequence_of_calls_makes_money(calls: list[tuple[str, int]]) -> None:
    intent = HOLD
    for name, amount in calls:
        try:
            intent = intent.void(1) if name == "void" else getattr(intent, name)(amount, 1)
        except RefusalError:
            continue
        assert 0 <= intent.refunded <= intent.captured <= intent.amount
        assert not (intent.voided and intent.captured)
