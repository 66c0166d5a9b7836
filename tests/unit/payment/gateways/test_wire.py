"""What a gateway's replies mean."""

import pytest

from services.payment.gateways import Declined, HttpGateway, NotFound, Refused, Succeeded, Unavailable, Unknown
from services.payment.gateways.wire import MAX_CODE, MAX_MESSAGE, Reply, answer, look_up
from shared.contract.text import is_plain


def error(status: int, code: str, **headers: str) -> Reply:
    return Reply(status, headers, f'{{"error":{{"type":"t","code":"{code}","message":"m"}}}}'.encode())


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(200, {}, b'{"id":"pi_1"}'), Succeeded("pi_1")),
        (Reply(200, {"Idempotent-Replayed": "true"}, b'{"id":"pi_1"}'), Succeeded("pi_1", replayed=True)),
        (Reply(200, {}, b"<html>"), Unknown("the gateway's success cannot be read", "unreadable")),
        (Reply(200, {}, b'{"id":7}'), Unknown("the gateway's success cannot be read", "unreadable")),
        (error(402, "expired_card"), Declined("expired_card", "m")),
        (error(400, "payment_intent_unexpected_state"), Declined("payment_intent_unexpected_state", "m")),
        (error(400, "idempotency_key_reused"), Refused("idempotency_key_reused", "m")),
        (error(401, "api_key_invalid"), Refused("api_key_invalid", "m")),
        (error(404, "resource_missing"), Refused("resource_missing", "m")),
        (error(409, "idempotency_key_in_use"), Unknown("m", "idempotency_key_in_use")),
        (error(429, "rate_limit", **{"Retry-After": "3"}), Unavailable("m", 3.0, "rate_limit")),
        (error(503, "unavailable", **{"Retry-After": "Fri, 31 Dec"}), Unavailable("m", None, "unavailable")),
        (error(500, "internal_error"), Unknown("m", "internal_error", key_spent=True)),
        (Reply(502, {}, b"Bad Gateway"), Unknown("the gateway answered HTTP 502", "http_502")),
        (Reply(302, {}, b""), Refused("http_302", "the gateway answered HTTP 302")),
    ],
)
def test_the_meaning_of_a_reply(reply: Reply, expected: object) -> None:
    assert answer(reply, "id") == expected


@pytest.mark.parametrize("status", [400, 402, 404, 409, 500, 503])
@pytest.mark.parametrize("message", ["a\\u0000b", "\\u001b[2J", "x" * 1_000_000])
def test_what_a_gateway_says_can_be_kept(status: int, message: str) -> None:
    said = answer(Reply(status, {}, f'{{"error":{{"code":"{message}","message":"{message}"}}}}'.encode()), "id")
    assert isinstance(said, Declined | Refused | Unavailable | Unknown)
    words = said.message if isinstance(said, Declined | Refused) else said.reason
    for text, most in ((said.code, MAX_CODE), (words, MAX_MESSAGE)):
        assert is_plain(text)
        assert 0 < len(text) <= most


@pytest.mark.parametrize("name", ["a\\u0000b", "", "x" * 1_000])
def test_a_payment_without_a_name_that_can_be_kept_cannot_be_read(name: str) -> None:
    assert isinstance(answer(Reply(200, {}, f'{{"id":"{name}"}}'.encode()), "id"), Unknown)
    assert isinstance(look_up("r", Reply(200, {}, f'{{"data":[{{"id":"{name}"}}]}}'.encode())), Unavailable)


def test_the_meaning_of_a_look_up() -> None:
    assert look_up("r", Reply(200, {}, b'{"data":[]}')) == NotFound("r")
    assert isinstance(look_up("r", Reply(200, {}, b'{"data":[{"id":"pi"}]}')), Unavailable)
    assert isinstance(look_up("r", Reply(200, {}, b"[]")), Unavailable)
    assert isinstance(look_up("r", error(500, "internal_error")), Unavailable)
    assert isinstance(look_up("r", error(401, "api_key_invalid")), Refused)


def test_an_address_that_is_no_web_address_stops_the_start() -> None:
    with pytest.raises(ValueError, match="http://"):
        HttpGateway("gateway:80", "key")
