"""The instant gateway keeps the same rules as a real one."""

from services.payment.gateways import (
    Authorization,
    Declined,
    Gateway,
    InstantGateway,
    LedgerPage,
    NotFound,
    PaymentState,
    Refused,
    Succeeded,
)

REQUEST = Authorization("checkout-1", 1000, "EUR", "tok_anything")


async def hold(gateway: Gateway, request: Authorization = REQUEST, key: str = "a") -> str:
    answer = await gateway.authorize(key, request)
    assert isinstance(answer, Succeeded)
    return answer.hold


async def test_a_payment_is_authorized_captured_and_refunded() -> None:
    gateway = InstantGateway()
    payment = await hold(gateway)
    assert await gateway.capture("c", payment, 1000) == Succeeded(payment)
    assert await gateway.refund("r", payment, 1000) == Succeeded(payment)
    assert await gateway.look_up("checkout-1") == PaymentState(
        payment, "checkout-1", "refunded", 1000, "EUR", captured=1000, refunded=1000
    )


async def test_the_same_key_is_one_charge_and_other_parameters_are_refused() -> None:
    gateway = InstantGateway()
    payment = await hold(gateway)
    assert await gateway.authorize("a", REQUEST) == Succeeded(payment, replayed=True)
    assert isinstance(await gateway.authorize("a", Authorization("checkout-1", 999, "EUR", "tok")), Refused)
    assert isinstance(await gateway.void("a", payment), Refused)
    assert [entry.charges for entry in gateway.ledger().entries] == [1]


async def test_another_key_is_another_charge_and_the_ledger_says_so() -> None:
    gateway = InstantGateway()
    await hold(gateway)
    await hold(gateway, key="b")
    assert [entry.charges for entry in gateway.ledger().entries] == [2, 2]


async def test_rules_of_state() -> None:
    gateway = InstantGateway()
    payment = await hold(gateway)
    assert isinstance(await gateway.capture("c1", payment, 1001), Refused)
    assert isinstance(await gateway.refund("r1", payment, 1), Declined)
    assert isinstance(await gateway.void("v1", payment), Succeeded)
    assert isinstance(await gateway.capture("c2", payment, 1), Declined)
    assert isinstance(await gateway.void("v2", "pi_nothing"), Refused)
    assert await gateway.look_up("checkout-2") == NotFound("checkout-2")


async def test_the_ledger_comes_in_pages() -> None:
    gateway = InstantGateway()
    for number in range(5):
        await hold(gateway, Authorization(f"checkout-{number}", 1, "EUR", "tok"), f"key-{number}")
    first = gateway.ledger(0, 3)
    assert ([entry.seq for entry in first.entries], first.next) == ([1, 2, 3], 3)
    rest = gateway.ledger(3, 3)
    assert ([entry.seq for entry in rest.entries], rest.next) == ([4, 5], None)
    assert LedgerPage.from_json(first.to_json()) == first
