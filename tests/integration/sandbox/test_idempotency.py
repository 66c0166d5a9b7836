"""Idempotency keys as Stripe's: one charge per key, whatever the client does."""

import asyncio
from pathlib import Path

from services.payment.gateways.http import HttpGateway
from services.payment.gateways.port import Authorization, Refused, Succeeded, Unknown
from tests.integration.sandbox.payments import AMOUNT, authorized, request, succeeded
from tests.integration.sandbox.process import SandboxProcess, connected, running


async def test_the_same_key_at_the_same_time_is_one_charge(gateway: HttpGateway, sandbox: SandboxProcess) -> None:
    asked = request()
    answers = await asyncio.gather(*(gateway.authorize(asked.reference, asked) for _ in range(50)))
    assert {type(answer) for answer in answers} <= {Succeeded, Unknown}
    assert len({answer.authorization_id for answer in answers if isinstance(answer, Succeeded)}) == 1
    [entry] = await sandbox.entries(asked.reference)
    assert entry.charges == 1


async def test_the_first_answer_is_replayed(gateway: HttpGateway) -> None:
    asked = request()
    authorization_id = await authorized(gateway, asked)
    succeeded(await gateway.capture("c" + authorization_id, authorization_id, AMOUNT))
    assert await gateway.authorize(f"{asked.reference}:authorize", asked) == Succeeded(authorization_id, replayed=True)
    assert await gateway.capture("c" + authorization_id, authorization_id, AMOUNT) == Succeeded(authorization_id, replayed=True)


async def test_the_same_key_for_something_else_is_refused(gateway: HttpGateway) -> None:
    asked = request()
    authorization_id = succeeded(await gateway.authorize(asked.reference, asked))
    other = Authorization(asked.reference, asked.amount + 1, asked.currency, asked.token)
    refused = await gateway.authorize(asked.reference, other)
    assert isinstance(refused, Refused)
    assert refused.code == "idempotency_key_reused"
    assert isinstance(await gateway.void(asked.reference, authorization_id), Refused)


async def test_two_captures_at_once_take_the_money_once(gateway: HttpGateway, sandbox: SandboxProcess) -> None:
    asked = request()
    authorization_id = await authorized(gateway, asked)
    answers = await asyncio.gather(
        *(gateway.capture(f"{n}{authorization_id}", authorization_id, AMOUNT) for n in range(5)),
        *(gateway.void(f"v{n}{authorization_id}", authorization_id) for n in range(5)),
    )
    assert sum(isinstance(answer, Succeeded) for answer in answers) == 1
    [entry] = await sandbox.entries(asked.reference)
    assert entry.captured + entry.voided == AMOUNT


async def test_old_keys_are_forgotten(tmp_path: Path) -> None:
    async with running(tmp_path / "l.db", key_seconds=0.3) as sandbox, connected(sandbox.url) as gateway:
        asked = request()
        first = succeeded(await gateway.authorize("key", asked))
        await asyncio.sleep(0.4)
        assert succeeded(await gateway.authorize("key", asked)) != first
        assert [entry.charges for entry in await sandbox.entries(asked.reference)] == [2, 2]
