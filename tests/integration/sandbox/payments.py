"""Short ways to ask for the usual payments."""

import time
from uuid import uuid4

from services.payment.gateways.port import Answer, Authorization, Gateway, LookUp, PaymentState, Sought, Succeeded

AMOUNT = 1250


def request(token: str = "tok_approve", reference: str = "", amount: int = AMOUNT) -> Authorization:
    """An authorization under a reference of its own."""
    return Authorization(reference or f"checkout-{uuid4()}", amount, "EUR", token)


async def authorized(gateway: Gateway, asked: Authorization) -> str:
    """The id of an authorization that could be made."""
    return succeeded(await gateway.authorize(f"{asked.reference}:authorize", asked))


def succeeded(answer: Answer) -> str:
    """The payment's id; fails the test where the answer is another one."""
    assert isinstance(answer, Succeeded), answer
    return answer.authorization_id


async def look_up(gateway: Gateway, reference: str, amount: int = AMOUNT, authorization_id: str | None = None) -> LookUp:
    """What the gateway knows of our payment of this amount."""
    return await gateway.look_up(Sought(reference, amount, "EUR", authorization_id))


async def status(gateway: Gateway, reference: str, authorization_id: str | None = None) -> str:
    """Where the payment stands, or the name of what the look-up gave instead."""
    found = await look_up(gateway, reference, authorization_id=authorization_id)
    return found.status if isinstance(found, PaymentState) else type(found).__name__


async def eventually(gateway: Gateway, reference: str, wanted: str, seconds: float = 15) -> None:
    """Look the payment up until it stands as wanted."""
    deadline = time.monotonic() + seconds
    while (found := await status(gateway, reference)) != wanted:
        assert time.monotonic() < deadline, f"{reference} is {found}, not {wanted}"
