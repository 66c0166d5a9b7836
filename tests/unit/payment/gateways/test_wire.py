"""What a gateway's replies mean: only the state it names counts."""

from collections.abc import Callable
from typing import Any, Final

import orjson
import pytest

from services.payment.gateways import wire
from services.payment.gateways.http import HttpGateway
from services.payment.gateways.port import (
    Answer,
    Authorization,
    Declined,
    NotFound,
    PaymentState,
    Refused,
    Sought,
    Succeeded,
    Unavailable,
    Unknown,
    Unusable,
)
from services.payment.gateways.wire import AUTHENTICATE, MAX_CODE, MAX_MESSAGE, NOT_MADE, Reply, look_up
from shared.contract.text import is_plain

REQUEST: Final = Authorization("c1.1", 1490, "EUR", "tok")
SOUGHT: Final = Sought("c1.1", 1490, "EUR")
HELD: Final = {
    "id": "pi_1",
    "reference": "c1.1",
    "status": "requires_capture",
    "amount": 1490,
    "amount_capturable": 1490,
    "amount_received": 0,
    "amount_refunded": 0,
    "currency": "EUR",
}
TAKEN: Final = HELD | {"status": "succeeded", "amount_capturable": 0, "amount_received": 1490}
FREED: Final = HELD | {"status": "canceled", "amount_capturable": 0}
GIVEN: Final = {"id": "re_1", "payment_intent": "pi_1", "amount": 1490, "currency": "EUR", "status": "succeeded"}
READ: Final[dict[str, Callable[[Reply], Answer]]] = {
    "authorize": lambda reply: wire.authorized(REQUEST, reply),
    "capture": lambda reply: wire.captured("pi_1", 1490, reply),
    "void": lambda reply: wire.voided("pi_1", reply),
    "refund": lambda reply: wire.refunded("pi_1", 1490, reply),
}
DONE: Final = {"authorize": HELD, "capture": TAKEN, "void": FREED, "refund": GIVEN}
PENDING: Final = Unknown("the gateway does not know yet", "pending", pending=True)


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, headers, orjson.dumps(body))


def error(status: int, code: str, **headers: str) -> Reply:
    return reply({"error": {"type": "t", "code": code, "message": "m"}}, status, **headers)


@pytest.mark.parametrize("operation", READ)
def test_a_success_names_the_state_and_the_amount_that_were_asked_for(operation: str) -> None:
    assert READ[operation](reply(DONE[operation])) == Succeeded("pi_1")
    replayed = Reply(200, {"Idempotent-Replayed": "true"}, orjson.dumps(DONE[operation]))
    assert READ[operation](replayed) == Succeeded("pi_1", replayed=True)


@pytest.mark.parametrize("status", [201, 202, 204, 206])
@pytest.mark.parametrize("operation", READ)
def test_any_other_2xx_is_no_success_whatever_it_says(operation: str, status: int) -> None:
    answer = READ[operation](reply(DONE[operation], status))
    assert isinstance(answer, Unknown)
    assert not answer.key_spent


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"status": "requires_action"}, Unusable("pi_1", "authentication_required", AUTHENTICATE)),
        ({"status": "processing"}, PENDING),
        ({"status": "requires_confirmation"}, PENDING),
        ({"status": "requires_payment_method", "last_payment_error": "expired_card"}, Declined("expired_card", NOT_MADE)),
        (
            {"status": "requires_payment_method", "last_payment_error": {"code": "expired_card", "message": "It has expired."}},
            Declined("expired_card", "It has expired."),
        ),
        ({"status": "requires_payment_method", "last_payment_error": None}, Declined("authorization_declined", NOT_MADE)),
        ({"status": "canceled"}, Declined("authorization_voided", NOT_MADE)),
        ({"amount_capturable": 500}, Unusable("pi_1", "other_amount", NOT_MADE)),
        ({"amount_capturable": 0}, Unusable("pi_1", "other_amount", NOT_MADE)),
        ({"amount": 500, "amount_capturable": 500}, Unusable("pi_1", "other_amount", NOT_MADE)),
        ({"amount": 14900, "amount_capturable": 14900}, Unusable("pi_1", "other_amount", NOT_MADE)),
        ({"currency": "JPY"}, Unusable("pi_1", "other_currency", NOT_MADE)),
        ({"status": "succeeded", "amount_received": 1490}, Unusable("pi_1", "captured_unasked", NOT_MADE)),
        ({"reference": "other.1"}, Unknown("the gateway answered about another payment", "other_payment")),
        ({"status": "surprise"}, Unknown("the gateway's success cannot be read", "unreadable")),
        ({"amount": None}, Unknown("the gateway's success cannot be read", "unreadable")),
    ],
)
def test_an_authorization_that_is_not_what_was_asked_for(changed: dict[str, Any], expected: Answer) -> None:
    assert READ["authorize"](reply(HELD | changed)) == expected


@pytest.mark.parametrize(
    ("operation", "changed", "expected"),
    [
        ("capture", {"amount_received": 500}, Unusable("pi_1", "other_amount", "The payment could not be completed.")),
        ("capture", {"status": "processing"}, PENDING),
        (
            "capture",
            {"status": "requires_capture"},
            Unknown("the gateway says that the payment is authorized", "not_done", key_spent=True),
        ),
        ("capture", {"id": "pi_2"}, Unknown("the gateway says that the payment is captured", "not_done", key_spent=True)),
        (
            "void",
            {"status": "requires_capture"},
            Unknown("the gateway says that the payment is authorized", "not_done", key_spent=True),
        ),
        ("void", {"status": "processing"}, PENDING),
        ("refund", {"status": "pending"}, PENDING),
        ("refund", {"status": "requires_action"}, PENDING),
        ("refund", {"status": "failed"}, Refused("refund_failed", "the gateway says that the refund is failed")),
        (
            "refund",
            {"status": "failed", "failure_reason": "expired_or_canceled_card"},
            Refused("expired_or_canceled_card", "the gateway says that the refund is failed"),
        ),
        ("refund", {"amount": 500}, Unknown("the gateway's success cannot be read", "unreadable")),
        ("refund", {"payment_intent": "pi_2"}, Unknown("the gateway's success cannot be read", "unreadable")),
    ],
)
def test_what_is_no_success_of_another_operation(operation: str, changed: dict[str, Any], expected: Answer) -> None:
    assert READ[operation](reply(DONE[operation] | changed)) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (error(402, "expired_card"), Declined("expired_card", "m")),
        (error(400, "payment_intent_unexpected_state"), Declined("payment_intent_unexpected_state", "m")),
        (error(400, "idempotency_key_reused"), Refused("idempotency_key_reused", "m")),
        (error(404, "resource_missing"), Refused("resource_missing", "m")),
        (error(409, "idempotency_key_in_use"), Unknown("m", "idempotency_key_in_use")),
        (error(408, "request_timeout"), Unknown("m", "request_timeout")),
        (error(429, "rate_limit", **{"Retry-After": "3"}), Unavailable("m", 3.0, "rate_limit")),
        (error(503, "unavailable"), Unavailable("m", None, "unavailable")),
        (error(500, "internal_error"), Unknown("m", "internal_error", key_spent=True)),
        (error(401, "api_key_invalid"), Unavailable("m", None, "api_key_invalid")),
        (error(403, "forbidden"), Unavailable("m", None, "forbidden")),
        (error(404, "no_such_endpoint"), Unavailable("m", None, "no_such_endpoint")),
    ],
)
@pytest.mark.parametrize("operation", READ)
def test_what_the_gateway_says_of_an_error(operation: str, said: Reply, expected: Answer) -> None:
    assert READ[operation](said) == expected


@pytest.mark.parametrize("body", [b"<html>Please wait</html>", b"", b"[]", b"{}", b'"ok"', b'{"id":"pi_1"}', b"\xff\xfe"])
@pytest.mark.parametrize("status", [200, 201, 202, 400, 402, 408, 409, 410, 418, 425, 500, 502, 504, 520])
@pytest.mark.parametrize("operation", READ)
def test_what_may_have_taken_effect_is_unknown_whatever_the_status(operation: str, status: int, body: bytes) -> None:
    """A page of somebody on the way says nothing of what the gateway did."""
    assert isinstance(READ[operation](Reply(status, {}, body)), Unknown)


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 405, 407, 421, 429, 503])
@pytest.mark.parametrize("operation", READ)
def test_what_is_about_us_or_the_way_says_nothing_about_the_payment(operation: str, status: int) -> None:
    answer = READ[operation](Reply(status, {"Location": "https://elsewhere.example"}, b"<html>"))
    assert answer == Unavailable(f"the gateway answered HTTP {status}", None, f"http_{status}", uncertain=True)
    assert isinstance(look_up(SOUGHT, Reply(status, {}, b"<html>")), Unavailable)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("3", 3.0),
        ("86400", 86400.0),
        ("9" * 400, 1e9),
        ("Sun, 29 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 29 Nov 2026 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec", None),
        ("-5", None),
        ("٣", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_when_to_come_back_is_said_in_seconds_or_as_a_date(said: str, seconds: float | None) -> None:
    headers = {"Retry-After": said, "Date": "Sun, 29 Nov 2026 12:00:00 GMT"}
    assert Reply(503, headers, b"").retry_after() == seconds


@pytest.mark.parametrize("status", [400, 402, 404, 409, 500, 503])
@pytest.mark.parametrize("message", ["a\\u0000b", "\\u001b[2J", "x" * 1_000_000])
def test_what_a_gateway_says_can_be_kept(status: int, message: str) -> None:
    said = READ["void"](Reply(status, {}, f'{{"error":{{"code":"{message}","message":"{message}"}}}}'.encode()))
    assert isinstance(said, Declined | Refused | Unavailable | Unknown)
    words = said.message if isinstance(said, Declined | Refused) else said.reason
    for text, most in ((said.code, MAX_CODE), (words, MAX_MESSAGE)):
        assert is_plain(text)
        assert 0 < len(text) <= most


@pytest.mark.parametrize("name", ["a\x00b", "", "x" * 1_000, 7, None])
def test_a_payment_without_a_name_that_can_be_kept_cannot_be_read(name: Any) -> None:
    assert isinstance(READ["authorize"](reply(HELD | {"id": name})), Unknown)
    assert isinstance(look_up(SOUGHT, reply({"data": [HELD | {"id": name}]})), Unavailable)


def found(**changed: Any) -> PaymentState:
    """What a look-up says of a payment."""
    said = look_up(SOUGHT, reply({"data": [HELD | changed]}))
    assert isinstance(said, PaymentState), said
    return said


def test_the_meaning_of_a_look_up() -> None:
    assert look_up(SOUGHT, reply({"data": []})) == NotFound("c1.1")
    assert found() == PaymentState("pi_1", "c1.1", "authorized", 1490, "EUR", 0, 0)
    assert found(amount_capturable=500).held == 500
    assert found(status="requires_action").status == "action_required"
    assert found(status="processing").status == "processing"
    refunding = found(**TAKEN, amount_refund_pending=1490)
    assert (refunding.status, refunding.refunding, refunding.refund_failed) == ("captured", 1490, False)
    assert found(**TAKEN, refund_failed=True).refund_failed
    assert found(currency="eur").currency == "EUR"
    for unreadable in (reply({"data": [{"id": "pi"}]}), reply([]), reply({"data": [HELD]}, 202), error(500, "internal_error")):
        assert isinstance(look_up(SOUGHT, unreadable), Unavailable)
    assert isinstance(look_up(SOUGHT, error(401, "api_key_invalid")), Unavailable)
    assert isinstance(look_up(SOUGHT, error(400, "parameter_invalid")), Refused)


@pytest.mark.parametrize("changed", [{"amount": 14900}, {"currency": "JPY"}, {"reference": "c1.1x"}])
def test_a_payment_is_ours_only_if_reference_amount_and_currency_agree(changed: dict[str, Any]) -> None:
    other = HELD | changed | {"id": "pi_2"}
    alone = look_up(SOUGHT, reply({"data": [other]}))
    assert isinstance(alone, NotFound)
    assert alone.foreign is not None
    assert alone.foreign.authorization_id == "pi_2"
    both = look_up(SOUGHT, reply({"data": [other | {"status": "succeeded", "amount_received": 1}, HELD]}))
    assert isinstance(both, PaymentState)
    assert (both.authorization_id, both.others, both.foreign and both.foreign.authorization_id) == ("pi_1", 0, "pi_2")


def test_a_payment_the_gateway_named_to_us_is_ours_whatever_its_amount() -> None:
    part = HELD | {"amount": 500, "amount_capturable": 500}
    known = Sought("c1.1", 1490, "EUR", authorization_id="pi_1")
    assert look_up(known, reply({"data": [part]})) == PaymentState("pi_1", "c1.1", "authorized", 500, "EUR", 0, 0)


def test_an_address_that_is_no_web_address_stops_the_start() -> None:
    with pytest.raises(ValueError, match="http://"):
        HttpGateway("gateway:80", "key")


CARD: Final = "4111 1111-1111 1111"


@pytest.mark.parametrize("read", READ)
@pytest.mark.parametrize("status", [400, 402, 404, 409, 429, 500, 503])
def test_a_card_number_in_what_the_gateway_says_is_not_kept(read: str, status: int) -> None:
    """A customer's token may be one, and gateways like to quote it; long texts are cut, and none of it is left."""
    quoted = f"{'x' * (MAX_MESSAGE - 24)} no such token {CARD}"
    error = {"code": "no_token_4111111111111111", "message": quoted}
    answer = READ[read](Reply(status, {}, orjson.dumps({"error": error})))
    assert "1111" not in repr(answer)


@pytest.mark.parametrize(
    ("read", "body"),
    [
        ("authorize", HELD | {"status": "requires_payment_method", "last_payment_error": {"code": CARD, "message": CARD}}),
        ("authorize", HELD | {"status": "requires_payment_method", "last_payment_error": CARD}),
        ("refund", GIVEN | {"status": "failed", "failure_reason": CARD}),
    ],
)
def test_nor_is_one_in_why_it_was_declined(read: str, body: dict[str, object]) -> None:
    assert "1111" not in repr(READ[read](Reply(200, {}, orjson.dumps(body))))


def test_nor_is_one_in_a_list_that_cannot_be_read() -> None:
    assert "1111" not in repr(look_up(SOUGHT, Reply(200, {}, orjson.dumps({"data": [HELD | {"status": CARD}]}))))
