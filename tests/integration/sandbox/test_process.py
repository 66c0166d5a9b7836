"""The sandbox as a process: restarts, kills, expiry, faults, bad requests, and gateways that are not there."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from services.payment.gateways.http import HttpGateway
from services.payment.gateways.ledger import read_ledger
from services.payment.gateways.port import Declined, LedgerError, PaymentState, Refused, Succeeded, Unavailable, Unknown
from tests.integration.sandbox.payments import AMOUNT, authorized, eventually, look_up, request, status, succeeded
from tests.integration.sandbox.process import KEY, SandboxProcess, connected, running


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_the_ledger_outlives_the_process(tmp_path: Path, how: signal.Signals) -> None:
    asked = request("tok_refuse_void_2")
    async with running(tmp_path / "l.db") as sandbox:
        async with connected(sandbox.url) as gateway:
            authorization_id = await authorized(gateway, asked)
            assert isinstance(await gateway.void("v1", authorization_id), Declined)
        assert await sandbox.stop(how) == (0 if how == signal.SIGTERM else -signal.SIGKILL)
        await sandbox.start()
        async with connected(sandbox.url) as gateway:
            replay = await gateway.authorize(f"{asked.reference}:authorize", asked)
            assert replay == Succeeded(authorization_id, replayed=True)
            assert isinstance(await gateway.void("v1", authorization_id), Declined)
            assert isinstance(await gateway.void("v2", authorization_id), Declined)
            assert await gateway.void("v3", authorization_id) == Succeeded(authorization_id)


async def test_nothing_answered_is_lost_by_a_kill_under_load(tmp_path: Path) -> None:
    async with running(tmp_path / "l.db") as sandbox:
        requests = [request() for _ in range(300)]
        async with connected(sandbox.url) as gateway:
            calls = [asyncio.create_task(gateway.authorize(asked.reference, asked)) for asked in requests]
            await asyncio.sleep(0.05)
            await sandbox.stop(signal.SIGKILL)
            answers = await asyncio.gather(*calls)
        await sandbox.start()
        kept = {entry.id async for entry in read_ledger(sandbox.url, KEY)}
        assert {answer.authorization_id for answer in answers if isinstance(answer, Succeeded)} <= kept
        async with connected(sandbox.url) as gateway:
            await asyncio.gather(*(gateway.authorize(asked.reference, asked) for asked in requests))
        entries = [entry async for entry in read_ledger(sandbox.url, KEY)]
        assert (len(entries), {entry.charges for entry in entries}) == (300, {1})


async def test_a_stop_does_not_wait_for_what_hangs(tmp_path: Path) -> None:
    async with running(tmp_path / "l.db", hang_seconds=600) as sandbox, connected(sandbox.url, 20) as gateway:
        asked = request("tok_timeout_after_authorize")
        call = asyncio.create_task(gateway.authorize(asked.reference, asked))
        await eventually(gateway, asked.reference, "authorized")
        started = time.monotonic()
        assert await sandbox.stop() == 0
        assert time.monotonic() - started < 5
        assert isinstance(await call, Unknown)


async def test_authorizations_expire(tmp_path: Path) -> None:
    async with running(tmp_path / "l.db", hold_seconds=0.5) as sandbox, connected(sandbox.url) as gateway:
        captured, expired = request(), request()
        authorization_id = await authorized(gateway, captured)
        succeeded(await gateway.capture("c1", authorization_id, AMOUNT))
        authorization_id = await authorized(gateway, expired)
        await asyncio.sleep(0.6)
        assert await status(gateway, captured.reference) == "captured"
        assert await status(gateway, expired.reference) == "expired"
        answer = await gateway.capture("c2", authorization_id, AMOUNT)
        assert isinstance(answer, Declined)
        assert answer.code == "charge_expired_for_capture"
        [entry] = await sandbox.entries(expired.reference)
        assert (entry.status, entry.authorized, entry.held) == ("expired", AMOUNT, 0)


async def test_every_call_ends_right_under_all_faults(tmp_path: Path) -> None:
    """The rule of the port (same key, or a new one where it is spent) gives one charge, whatever happens."""
    options: dict[str, Any] = {"faults": "error=0.1,unavailable=0.1,rate_limit=0.1,timeout_before=0.1,timeout_after=0.1"}
    async with running(tmp_path / "l.db", hang_seconds=1, **options) as sandbox, connected(sandbox.url, 0.3) as gateway:
        references = [f"checkout-{number}" for number in range(60)]
        await asyncio.gather(*(_pay(gateway, reference) for reference in references))
        entries = [entry async for entry in read_ledger(sandbox.url, KEY)]
        assert sorted(entry.reference for entry in entries) == sorted(references)
        assert {(entry.captured, entry.charges) for entry in entries} == {(AMOUNT, 1)}


async def _pay(gateway: HttpGateway, reference: str) -> None:
    asked, number = request(reference=reference), 0
    for wanted in ("authorized", "captured"):
        while True:
            state = await look_up(gateway, reference)
            if isinstance(state, Unavailable):
                continue
            if isinstance(state, PaymentState) and state.status == wanted:
                break
            key = f"{reference}:{wanted}:{number}"
            if wanted == "authorized":
                answer = await gateway.authorize(key, asked)
            else:
                assert isinstance(state, PaymentState)
                answer = await gateway.capture(key, state.authorization_id, AMOUNT)
            number += answer.key_spent


async def test_a_gateway_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with connected(f"http://127.0.0.1:{nobody.getsockname()[1]}") as gateway:
            assert isinstance(await gateway.authorize("a", request()), Unavailable)
            assert isinstance(await look_up(gateway, "r"), Unavailable)
    async with connected("http://gateway.invalid") as gateway:
        assert isinstance(await gateway.void("a", "pi_1"), Unavailable)


async def test_a_connection_lost_after_the_request_is_unknown() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server, connected(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as gateway:
        answer = await gateway.authorize("a", request())
    assert isinstance(answer, Unknown)
    assert answer.code == "connection_lost"


async def test_a_wrong_api_key_says_nothing_about_a_payment(sandbox: SandboxProcess) -> None:
    gateway = HttpGateway(sandbox.url, "sk_wrong")
    answer = await gateway.authorize("a", request())
    assert answer == Unavailable("Send Authorization: Bearer API_KEY.", None, "api_key_invalid")
    assert isinstance(await look_up(gateway, "r"), Unavailable)
    await gateway.close()
    with pytest.raises(LedgerError, match="401"):
        _ = [entry async for entry in read_ledger(sandbox.url, "sk_wrong")]


@pytest.mark.parametrize(
    ("trouble", "seconds"),
    [
        ({"status": 401}, None),
        ({"status": 403}, None),
        ({"status": 404}, None),
        ({"status": 301, "location": "https://elsewhere.example/v2"}, None),
        ({"status": 503, "retry_after": 86400}, 86400),
        ({"status": 429, "retry_after": 30, "retry_as": "date"}, 30),
    ],
)
async def test_a_gateway_in_trouble(tmp_path: Path, trouble: dict[str, Any], seconds: float | None) -> None:
    async with running(tmp_path / "l.db") as sandbox, connected(sandbox.url) as gateway:
        asked = request()
        code, _, _ = await sandbox.post("/admin/trouble", trouble | {"seconds": 60})
        assert code == 200
        answer = await gateway.authorize(asked.reference, asked)
        assert isinstance(answer, Unavailable)
        assert answer.retry_after == seconds
        assert isinstance(await look_up(gateway, asked.reference), Unavailable)
        assert await sandbox.entries(asked.reference) == []
        await sandbox.post("/admin/trouble", {"status": 503, "seconds": 0})
        succeeded(await gateway.authorize(asked.reference, asked))


async def test_trouble_that_makes_no_sense_is_refused(sandbox: SandboxProcess) -> None:
    assert (await sandbox.post("/admin/trouble", {"status": 99, "seconds": 1}))[0] == 400
    assert (await sandbox.post("/admin/trouble", b"not json"))[0] == 400


async def test_a_certificate_that_nobody_trusts_says_nothing_about_a_payment() -> None:
    """What answers is a server that does not speak TLS at all."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server, connected(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}") as gateway:
        answer = await gateway.authorize("a", request())
    assert isinstance(answer, Unavailable), answer
    assert answer.code == "no_connection"


async def test_the_same_ledger_is_not_kept_twice(sandbox: SandboxProcess) -> None:
    second = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "devstack.sandbox", "--ledger", str(sandbox.ledger)), stderr=asyncio.subprocess.PIPE
    )
    _, said = await second.communicate()
    assert second.returncode == 2
    assert b"another sandbox keeps the ledger" in said


async def test_the_port_is_written_to_a_file(tmp_path: Path) -> None:
    async with running(tmp_path / "l.db", port_file=tmp_path / "run" / "port") as sandbox:
        assert sandbox.url.endswith(":" + (tmp_path / "run" / "port").read_text().strip())


_GOOD: dict[str, Any] = {"reference": "r", "amount": 1, "currency": "EUR", "payment_method": "tok_approve"}


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"not json",
        lambda body: b"\xff\xfe",
        lambda body: b"[]",
        lambda body: b"[" * 8000,
        lambda body: b'{"amount":NaN}',
        lambda body: body | {"amount": 0},
        lambda body: body | {"amount": -5},
        lambda body: body | {"amount": 1.5},
        lambda body: body | {"amount": "1"},
        lambda body: body | {"amount": True},
        lambda body: body | {"amount": 2**64},
        lambda body: body | {"currency": "euro"},
        lambda body: body | {"reference": ""},
        lambda body: body | {"reference": "a\x00b"},
        lambda body: body | {"surprise": 1},
        lambda body: body | {"confirm": False},
        lambda body: {},
    ],
)
async def test_bad_requests_are_answered_by_name(sandbox: SandboxProcess, change: Callable[[Any], Any]) -> None:
    code, body, _ = await sandbox.post("/v1/payment_intents", change(_GOOD), Idempotency_Key="bad")
    assert (code, body["error"]["code"]) == (400, "parameter_invalid")


async def test_limits_of_a_request(sandbox: SandboxProcess) -> None:
    assert (await sandbox.post("/v1/payment_intents", _GOOD))[0] == 400
    assert (await sandbox.post("/v1/payment_intents", _GOOD, Idempotency_Key="k" * 256))[0] == 400
    assert (await sandbox.post("/v1/payment_intents", b"x" * 100_000, Idempotency_Key="big"))[0] == 413
    assert (await sandbox.post("/v1/nothing", _GOOD, Idempotency_Key="k"))[0] == 404


async def test_any_reference_can_be_looked_up(gateway: HttpGateway) -> None:
    reference = "a&b=c+d%2F/?#';[]"
    authorization_id = await authorized(gateway, request(reference=reference))
    found = await look_up(gateway, reference)
    assert isinstance(found, PaymentState)
    assert (found.authorization_id, found.reference, found.others) == (authorization_id, reference, 0)
    assert isinstance(await gateway.void("k\n", authorization_id), Refused)


async def test_a_replay_says_so_in_its_header(sandbox: SandboxProcess) -> None:
    first, second = [await sandbox.post("/v1/payment_intents", _GOOD, Idempotency_Key="replay") for _ in range(2)]
    assert first[:2] == second[:2]
    assert "Idempotent-Replayed" not in first[2]
    assert second[2]["Idempotent-Replayed"] == "true"
