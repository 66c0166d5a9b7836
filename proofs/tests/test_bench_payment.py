"""The bench's gateway keeps the rules of a real one, and all payment processes of a bench share what it knows."""

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from devstack.sandbox.ledger import Ledger
from proofs.bench.payment import InProcessGateway
from services.payment.gateways.port import Authorization, Declined, Gateway, NotFound, PaymentState, Refused, Sought, Succeeded

REQUEST = Authorization("checkout-1", 1000, "EUR", "tok_anything")
SOUGHT = Sought("checkout-1", 1000, "EUR")


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@pytest.fixture
async def gateway(ledger: Path) -> AsyncIterator[InProcessGateway]:
    gateway = InProcessGateway(ledger)
    yield gateway
    await gateway.close()


async def hold(gateway: Gateway, request: Authorization = REQUEST, key: str = "a") -> str:
    answer = await gateway.authorize(key, request)
    assert isinstance(answer, Succeeded)
    return answer.authorization_id


async def test_a_payment_is_authorized_captured_and_refunded(gateway: Gateway) -> None:
    payment = await hold(gateway)
    assert await gateway.capture("c", payment, 1000) == Succeeded(payment)
    assert await gateway.refund("r", payment, 1000) == Succeeded(payment)
    assert await gateway.look_up(SOUGHT) == PaymentState(
        payment, "checkout-1", "refunded", 1000, "EUR", captured=1000, refunded=1000
    )


async def test_the_same_key_is_one_charge_and_other_parameters_are_refused(gateway: Gateway, ledger: Path) -> None:
    payment = await hold(gateway)
    assert await gateway.authorize("a", REQUEST) == Succeeded(payment, replayed=True)
    assert isinstance(await gateway.authorize("a", Authorization("checkout-1", 999, "EUR", "tok")), Refused)
    assert isinstance(await gateway.void("a", payment), Refused)
    with closing(Ledger(ledger, read_only=True)) as reader:
        assert [charges for _, charges, _ in reader.page(0, 10)] == [1]


async def test_rules_of_state(gateway: Gateway) -> None:
    payment = await hold(gateway)
    assert isinstance(await gateway.refund("r1", payment, 1), Declined)
    assert isinstance(await gateway.void("v1", payment), Succeeded)
    assert isinstance(await gateway.capture("c2", payment, 1), Declined)
    assert await gateway.look_up(Sought("checkout-2", 1000, "EUR")) == NotFound("checkout-2")


async def test_a_second_process_knows_the_holds_of_the_first(gateway: Gateway, ledger: Path) -> None:
    payment = await hold(gateway)
    second = InProcessGateway(ledger)
    try:
        assert await second.authorize("a", REQUEST) == Succeeded(payment, replayed=True)
        assert await second.capture("c", payment, 1000) == Succeeded(payment)
    finally:
        await second.close()
