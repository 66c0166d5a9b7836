"""The grammar of test tokens."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devstack.sandbox.tokens import DECLINES, RULES, Behaviour, UnknownTokenError, in_order, parse, table


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("tok_approve", Behaviour("approve", "authorize")),
        ("tok_decline", Behaviour("decline", "authorize", reason="generic_decline")),
        ("tok_decline_insufficient_funds", Behaviour("decline", "authorize", reason="insufficient_funds")),
        ("tok_decline_expired_card", Behaviour("decline", "authorize", reason="expired_card")),
        ("tok_decline_do_not_honor", Behaviour("decline", "authorize", reason="do_not_honor")),
        ("tok_decline_capture", Behaviour("decline", "capture")),
        ("tok_decline_capture_insufficient_funds", Behaviour("decline", "capture", reason="insufficient_funds")),
        ("tok_refuse_void_2", Behaviour("refuse", "void", count=2)),
        ("tok_refuse_void", Behaviour("refuse", "void")),
        ("tok_refuse_void_forever", Behaviour("refuse", "void")),
        ("tok_refuse_refund_forever", Behaviour("refuse", "refund")),
        ("tok_timeout_before_authorize", Behaviour("timeout_before", "authorize", count=1)),
        ("tok_timeout_after_capture", Behaviour("timeout_after", "capture", count=1)),
        ("tok_timeout_after_void_3", Behaviour("timeout_after", "void", count=3)),
        ("tok_error", Behaviour("error", "authorize", count=1)),
        ("tok_error_2", Behaviour("error", "authorize", count=2)),
        ("tok_error_capture_forever", Behaviour("error", "capture")),
        ("tok_unavailable_refund_4", Behaviour("unavailable", "refund", count=4)),
        ("tok_rate_limit_5", Behaviour("rate_limit", "authorize", count=5)),
        ("tok_slow_0.5", Behaviour("slow", "authorize", seconds=0.5)),
        ("tok_slow_capture_2", Behaviour("slow", "capture", seconds=2.0)),
        ("tok_soft_decline_expired_card", Behaviour("soft_decline", "authorize", reason="expired_card")),
        ("tok_challenge", Behaviour("challenge", "authorize")),
        ("tok_foreign", Behaviour("foreign", "authorize")),
        ("tok_processing_0.5", Behaviour("processing", "authorize", seconds=0.5)),
        ("tok_part_500", Behaviour("part", "authorize", amount=500)),
        ("tok_part_capture_500", Behaviour("part", "capture", amount=500)),
        ("tok_pending_refund_2", Behaviour("pending", "refund", seconds=2.0)),
        ("tok_failing_refund_0", Behaviour("failing", "refund")),
        ("tok_answer_202", Behaviour("answer", "authorize", count=1, status=202)),
        ("tok_answer_refund_502", Behaviour("answer", "refund", count=1, status=502)),
        ("tok_page_capture_301", Behaviour("page", "capture", count=1, status=301)),
    ],
)
def test_a_token_does_what_its_name_says(token: str, expected: Behaviour) -> None:
    assert parse(token) == (expected,)


def test_behaviours_are_joined_by_plus() -> None:
    assert parse("tok_decline_capture+refuse_void_forever") == (
        Behaviour("decline", "capture"),
        Behaviour("refuse", "void"),
    )


@pytest.mark.parametrize(
    "token",
    [
        "", "tok", "tok_", "tok_approved", "tok_visa", "card_approve", "tok_approve+", "tok_decline_void",
        "tok_refuse", "tok_refuse_capture", "tok_refuse_void_0", "tok_refuse_void_-1", "tok_timeout_before",
        "tok_part", "tok_part_0", "tok_part_void_5", "tok_page", "tok_page_99", "tok_answer_600", "tok_pending_2",
        "tok_slow", "tok_slow_capture", "tok_slow_999", "tok_error_1e3", "tok_error_٣", "TOK_APPROVE", "tok_approve ",
    ],
)  # fmt: skip
def test_a_token_outside_the_grammar_is_unknown(token: str) -> None:
    with pytest.raises(UnknownTokenError):
        parse(token)


@given(st.text(max_size=60))
def test_no_text_does_anything_but_parse_or_be_unknown(text: str) -> None:
    with contextlib.suppress(UnknownTokenError):
        assert parse(f"tok_{text}")


def test_behaviours_come_in_the_order_a_gateway_would_meet_them() -> None:
    behaviours = in_order(list(parse("tok_timeout_after_capture+decline_capture+slow_capture_1+rate_limit_capture")))
    assert [behaviour.kind for behaviour in behaviours] == ["rate_limit", "slow", "decline", "timeout_after"]


def test_the_table_names_every_behaviour_and_reason() -> None:
    assert all(rule.usage in table() for rule in RULES)
    assert all(reason in table() for reason in DECLINES)
