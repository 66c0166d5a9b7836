"""Stories as they happen: traced, followed and found stuck through the command's own functions, on the running system."""

import asyncio
import contextlib
import io
from collections.abc import Awaitable, Callable

from rich.console import Console

from cli.trace import run_trace
from devstack.demo.shop import Shop
from services.journal.trace import NotOneError
from shared.contract.cart import ConfirmCheckout
from tests.support.system import System
from tests.support.waiting import until

SECONDS = 40.0
CUSTOMER = "Waiting for CheckoutConfirmed or CheckoutAbandoned from customer"


async def asked(quadrille: System, name: str, *, follow: bool = False) -> tuple[bool, list[str]]:
    """What ``quadrille trace`` answers: whether all is well, and its lines."""
    file = io.StringIO()
    well = await run_trace(quadrille.settings, name, Console(file=file, width=200), follow=follow, as_json=False)
    return well, file.getvalue().splitlines()


async def until_kept(quadrille: System, name: str, told: Callable[[list[str]], bool]) -> tuple[bool, list[str]]:
    """Ask until the journal has kept what is waited for."""

    async def found() -> tuple[bool, list[str]] | None:
        with contextlib.suppress(NotOneError):  # not read yet
            well, lines = await asked(quadrille, name)
            return (well, lines) if told(lines) else None
        return None

    kept: tuple[bool, list[str]] = await until(found, name)
    return kept


def waits_for_the_customer_alone(lines: list[str]) -> bool:
    """Whether the units are reserved, too: who reads both topics may hear of that later."""
    return [line.startswith(CUSTOMER) for line in lines if line.startswith("Waiting")] == [True]


async def test_a_checkout_is_followed_to_its_end(shop: Shop, quadrille: System) -> None:
    sku = await shop.product(stock=1)
    cart_id = await shop.cart(sku)
    await shop.prepare(cart_id)
    await until_kept(quadrille, f"{cart_id}.1", waits_for_the_customer_alone)
    following: Awaitable[tuple[bool, list[str]]] = asyncio.create_task(asked(quadrille, f"{cart_id}.1", follow=True))
    await shop.client.send(ConfirmCheckout(cart_id=cart_id))
    async with asyncio.timeout(SECONDS):
        well, lines = await following
    assert well
    standing = [line.strip() for line in lines if line.strip().startswith(("Waiting", "Finished"))]
    assert standing[0].startswith(CUSTOMER)
    assert standing[-1].startswith("Finished: order Q-")
    told = [line for line in lines if "CheckoutCompleted" in line and "✓" in line]
    assert len(told) == 1, "each entry is told once"
