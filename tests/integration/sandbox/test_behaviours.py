"""Every behaviour of the test tokens, through HTTP."""

import asyncio
import time

import pytest

from services.payment.gateways.http import HttpGateway
from services.payment.gateways.port import (
    Answer,
    Declined,
    NotFound,
    PaymentState,
    Refused,
    Succeeded,
    Unavailable,
    Unknown,
    Unusable,
)
from tests.integration.sandbox.payments import AMOUNT, authorized, eventually, look_up, request, status, succeeded
from tests.integration.sandbox.process import SandboxProcess

IN_USE = Unknown(
    "A request with this idempotency key is still being worked on; try again later.", "idempotency_key_in_use", retry_after=1.0
)


async def test_a_payment_is_authorized_captured_and_refunded(gateway: HttpGateway) -> None:
    asked = request()
    authorization_id = await authorized(gateway, asked)
    assert await status(gateway, asked.reference) == "authorized"
    assert await gateway.capture("c" + authorization_id, authorization_id, AMOUNT) == Succeeded(authorization_id)
    assert await gateway.refund("r1" + authorization_id, authorization_id, 250) == Succeeded(authorization_id)
    assert await status(gateway, asked.reference) == "captured"
    assert await gateway.refund("r2" + authorization_id, authorization_id, AMOUNT - 250) == Succeeded(authorization_id)
    assert await look_up(gateway, asked.reference) == PaymentState(
        authorization_id, asked.reference, "refunded", AMOUNT, "EUR", captured=AMOUNT, refunded=AMOUNT
    )


async def test_an_authorization_is_voided(gateway: HttpGateway, sandbox: SandboxProcess) -> None:
    asked = request()
    authorization_id = await authorized(gateway, asked)
    assert await gateway.void("v" + authorization_id, authorization_id) == Succeeded(authorization_id)
    [entry] = await sandbox.entries(asked.reference)
    assert (entry.status, entry.authorized, entry.voided, entry.held, entry.captured) == (
        "voided", AMOUNT, AMOUNT, 0, 0,
    )  # fmt: skip
    assert await gateway.void("again" + authorization_id, authorization_id) == Declined(
        "payment_intent_unexpected_state", "The payment is voided; only one that is authorized can be canceled."
    )


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("tok_decline_insufficient_funds", "insufficient_funds"),
        ("tok_decline_expired_card", "expired_card"),
        ("tok_decline_do_not_honor", "do_not_honor"),
        ("tok_decline_lost_card", "lost_card"),
    ],
)
async def test_declined(gateway: HttpGateway, token: str, code: str) -> None:
    asked = request(token)
    first, second = [await gateway.authorize(f"a{asked.reference}", asked) for _ in range(2)]
    assert isinstance(first, Declined)
    assert (first.code, first) == (code, second)
    assert await status(gateway, asked.reference) == "declined"


async def test_an_unknown_token_is_declined(gateway: HttpGateway) -> None:
    asked = request("pm_card_visa")
    answer = await gateway.authorize(f"a{asked.reference}", asked)
    assert isinstance(answer, Declined)
    assert answer.code == "invalid_payment_method"
    assert await status(gateway, asked.reference) == "NotFound"


async def test_refusals_are_counted_by_different_keys(gateway: HttpGateway) -> None:
    asked = request("tok_refuse_void_2")
    authorization_id = await authorized(gateway, asked)
    keys = ["v1", "v1", "v1", "v2", "v1", "v2"]
    answers = [await gateway.void(key + authorization_id, authorization_id) for key in keys]
    assert all(isinstance(answer, Declined) for answer in answers)
    assert isinstance(await gateway.void("v3" + authorization_id, authorization_id), Succeeded)
    assert isinstance(await gateway.void("v1" + authorization_id, authorization_id), Declined)


async def test_errors_are_stored_under_their_key(gateway: HttpGateway, sandbox: SandboxProcess) -> None:
    asked = request("tok_error_2")
    for key in ("1", "1", "2"):
        answer = await gateway.authorize(key + asked.reference, asked)
        assert isinstance(answer, Unknown)
        assert answer.key_spent
    assert await status(gateway, asked.reference) == "NotFound"
    succeeded(await gateway.authorize("3" + asked.reference, asked))
    assert len(await sandbox.entries(asked.reference)) == 1


@pytest.mark.parametrize("token", ["tok_unavailable_2", "tok_rate_limit_2"])
async def test_turned_away_requests_may_come_back_with_their_key(gateway: HttpGateway, token: str) -> None:
    asked = request(token)
    for _ in range(2):
        answer = await gateway.authorize(asked.reference, asked)
        assert isinstance(answer, Unavailable)
        assert answer.retry_after == 1.0
    assert await gateway.authorize(asked.reference, asked) != answer
    assert await status(gateway, asked.reference) == "authorized"


async def test_slow(gateway: HttpGateway) -> None:
    asked = request("tok_slow_capture_0.4")
    started = time.monotonic()
    authorization_id = await authorized(gateway, asked)
    assert time.monotonic() - started < 0.4
    succeeded(await gateway.capture("c" + authorization_id, authorization_id, AMOUNT))
    assert time.monotonic() - started >= 0.4


async def test_a_slow_request_takes_effect_after_its_client_gave_up(impatient: HttpGateway) -> None:
    asked = request("tok_slow_3")
    assert isinstance(await impatient.authorize(asked.reference, asked), Unknown)
    assert await status(impatient, asked.reference) == "NotFound"
    assert await impatient.authorize(asked.reference, asked) == IN_USE
    await eventually(impatient, asked.reference, "authorized")
    async with asyncio.timeout(15):
        while (replay := await impatient.authorize(asked.reference, asked)) == IN_USE:
            continue  # its effect is to be seen a moment before its answer
    assert isinstance(replay, Succeeded)
    assert replay.replayed


@pytest.mark.parametrize("operation", ["authorize", "capture", "void", "refund"])
@pytest.mark.parametrize(("moment", "happened"), [("before", False), ("after", True)])
async def test_timeouts(impatient: HttpGateway, sandbox: SandboxProcess, operation: str, moment: str, happened: bool) -> None:
    asked = request(f"tok_timeout_{moment}_{operation}")
    steps = {"authorize": [], "capture": ["authorize"], "void": ["authorize"], "refund": ["authorize", "capture"]}
    done = {"authorize": "authorized", "capture": "captured", "void": "voided", "refund": "refunded"}
    authorization_id = ""
    for step in steps[operation]:
        authorization_id = succeeded(await _ask(impatient, step, asked.reference, authorization_id, asked.token))
    before = await status(impatient, asked.reference)

    assert isinstance(await _ask(impatient, operation, asked.reference, authorization_id, asked.token), Unknown)
    assert await status(impatient, asked.reference) == (done[operation] if happened else before)

    again = await _ask(impatient, operation, asked.reference, authorization_id, asked.token)
    assert isinstance(again, Succeeded)
    assert again.replayed is happened
    assert await status(impatient, asked.reference) == done[operation]
    [entry] = await sandbox.entries(asked.reference)
    assert entry.charges == 1


async def _ask(gateway: HttpGateway, operation: str, reference: str, authorization_id: str, token: str) -> Answer:
    key = f"{reference}:{operation}"
    match operation:
        case "authorize":
            return await gateway.authorize(key, request(token, reference))
        case "capture":
            return await gateway.capture(key, authorization_id, AMOUNT)
        case "void":
            return await gateway.void(key, authorization_id)
        case _:
            return await gateway.refund(key, authorization_id, AMOUNT)


async def test_a_challenge_is_no_success_and_is_cancelled(gateway: HttpGateway, sandbox: SandboxProcess) -> None:
    asked = request("tok_challenge")
    answer = await gateway.authorize(asked.reference, asked)
    assert isinstance(answer, Unusable)
    assert answer.code == "authentication_required"
    assert await status(gateway, asked.reference) == "action_required"
    assert await gateway.void("v" + answer.authorization_id, answer.authorization_id) == Succeeded(answer.authorization_id)
    [entry] = await sandbox.entries(asked.reference)
    assert (entry.status, entry.authorized, entry.voided) == ("voided", 0, 0)


async def test_a_part_of_the_amount_is_no_success(gateway: HttpGateway, sandbox: SandboxProcess) -> None:
    asked = request("tok_part_500")
    answer = await gateway.authorize(asked.reference, asked)
    assert isinstance(answer, Unusable)
    assert answer.code == "other_amount"
    found = await look_up(gateway, asked.reference)
    assert isinstance(found, PaymentState)
    assert (found.status, found.held) == ("authorized", 500)
    assert [entry.held for entry in await sandbox.entries(asked.reference)] == [500]

    asked = request("tok_part_capture_500")
    authorization_id = await authorized(gateway, asked)
    assert isinstance(await gateway.capture("c" + authorization_id, authorization_id, AMOUNT), Unusable)
    assert isinstance(await gateway.refund("r" + authorization_id, authorization_id, AMOUNT), Refused)
    assert await gateway.refund("r2" + authorization_id, authorization_id, 500) == Succeeded(authorization_id)


async def test_what_is_processing_is_looked_up_until_it_is_known(gateway: HttpGateway) -> None:
    asked = request("tok_processing_0.4")
    answer = await gateway.authorize(asked.reference, asked)
    assert isinstance(answer, Unknown)
    assert answer.pending
    assert await status(gateway, asked.reference) in ("processing", "authorized")
    await eventually(gateway, asked.reference, "authorized")


async def test_a_decline_may_come_with_http_200(gateway: HttpGateway) -> None:
    asked = request("tok_soft_decline_expired_card")
    answer = await gateway.authorize(asked.reference, asked)
    assert isinstance(answer, Declined)
    assert answer.code == "expired_card"
    assert await status(gateway, asked.reference) == "declined"


@pytest.mark.parametrize(("token", "end"), [("tok_pending_refund_0.4", "refunded"), ("tok_failing_refund_0.4", "captured")])
async def test_a_refund_that_is_pending(gateway: HttpGateway, token: str, end: str) -> None:
    asked = request(token)
    authorization_id = await authorized(gateway, asked)
    succeeded(await gateway.capture("c" + authorization_id, authorization_id, AMOUNT))
    answer = await gateway.refund("r" + authorization_id, authorization_id, AMOUNT)
    assert isinstance(answer, Unknown)
    assert answer.pending
    async with asyncio.timeout(15):
        while isinstance(found := await look_up(gateway, asked.reference), PaymentState) and found.refunding:
            assert (found.status, found.refunding, found.refund_failed) == ("captured", AMOUNT, False)
    assert isinstance(found, PaymentState)
    assert (found.status, found.refund_failed) == (end, end == "captured")


async def test_a_refund_that_failed(gateway: HttpGateway) -> None:
    asked = request("tok_failing_refund_0")
    authorization_id = await authorized(gateway, asked)
    succeeded(await gateway.capture("c" + authorization_id, authorization_id, AMOUNT))
    answer = await gateway.refund("r" + authorization_id, authorization_id, AMOUNT)
    assert isinstance(answer, Refused)
    assert answer.code == "refund_failed"


async def test_somebody_elses_payment_under_the_same_reference_is_not_ours(
    impatient: HttpGateway, sandbox: SandboxProcess
) -> None:
    asked = request("tok_foreign+timeout_after_authorize")
    assert isinstance(await impatient.authorize(asked.reference, asked), Unknown)
    found = await look_up(impatient, asked.reference)
    assert isinstance(found, PaymentState)
    assert found.foreign is not None
    assert (found.currency, found.others, found.foreign.currency) == ("EUR", 0, "JPY")
    other = await look_up(impatient, asked.reference, AMOUNT + 1)
    assert isinstance(other, NotFound)
    assert other.foreign is not None
    assert len(await sandbox.entries(asked.reference)) == 2


@pytest.mark.parametrize("status_code", [200, 201, 202, 301, 400, 403, 404, 408, 409, 500, 502, 503])
async def test_an_answer_that_cannot_be_trusted_to_a_request_that_took_effect(gateway: HttpGateway, status_code: int) -> None:
    asked = request(f"tok_answer_{status_code}")
    answer = await gateway.authorize(asked.reference, asked)
    assert isinstance(answer, Unknown | Unavailable), answer
    assert isinstance(answer, Unknown) or answer.uncertain
    assert await status(gateway, asked.reference) == "authorized"
    again = await gateway.authorize(asked.reference, asked)
    assert isinstance(again, Succeeded)
    assert again.replayed


@pytest.mark.parametrize("status_code", [301, 403, 404, 502])
async def test_a_page_in_the_gateways_place_without_effect(gateway: HttpGateway, status_code: int) -> None:
    asked = request(f"tok_page_capture_{status_code}")
    authorization_id = await authorized(gateway, asked)
    assert isinstance(await gateway.capture("c" + authorization_id, authorization_id, AMOUNT), Unknown | Unavailable)
    assert await status(gateway, asked.reference) == "authorized"
    succeeded(await gateway.capture("c" + authorization_id, authorization_id, AMOUNT))
