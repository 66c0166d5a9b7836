"""Stories as they happen: traced, followed and found stuck through the command's own functions, on the running system."""

import asyncio
import contextlib
import io
import json
from collections.abc import Awaitable, Callable

from rich.console import Console

from cli.stuck import run_stuck
from cli.trace import run_trace
from devstack.demo.shop import Shop, card
from services.journal.trace import NotOneError
from shared.contract.cart import CheckoutCompleted, ConfirmCheckout
from shared.contract.inventory import ReservationReleased, StockCommitted
from shared.contract.payment import VoidFailed
from tests.support.system import System
from tests.support.waiting import until

SECONDS = 40.0
CUSTOMER = "Waiting for CheckoutConfirmed or CheckoutAbandoned from customer"
CHAIN = (
    "ConfirmCheckout",
    "CheckoutConfirmed",
    "ReservationExtended",
    "TotalsCalculated",
    "PaymentAuthorized",
    "OrderCreated",
    "PaymentCaptured",
    "OrderConfirmed",
)


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


async def test_a_paid_order_is_told_from_its_command_to_its_end(shop: Shop, quadrille: System) -> None:
    sku = await shop.product(stock=1)
    cart_id, outcome = await shop.check_out(sku)
    assert isinstance(outcome, CheckoutCompleted)
    await shop.client.wait_for(cart_id, StockCommitted)
    well, lines = await until_kept(quadrille, outcome.order_number, lambda lines: lines[-1].startswith("Finished"))
    assert well
    assert lines[-1] == f"Finished: order {outcome.order_number} is confirmed, 14.90 EUR captured"
    depths = [next(line.index(kind) for line in lines if f" {kind} " in line) for kind in CHAIN]
    assert depths == [depths[0] + 2 * n for n in range(len(CHAIN))]
    _, of_cart = await asked(quadrille, cart_id)
    assert any("OpenCart" in line for line in of_cart)
    assert len(of_cart) > len(lines)


async def test_a_failed_capture_whose_void_fails_waits_for_a_person_and_is_stuck(shop: Shop, quadrille: System) -> None:
    sku = await shop.product(stock=1)
    cart_id, _ = await shop.check_out(sku, payment=card("tok_decline_capture+refuse_void_forever"))
    failed = await shop.client.wait_for(cart_id, VoidFailed, timeout=SECONDS)
    await shop.client.wait_for(cart_id, ReservationReleased)
    well, lines = await until_kept(
        quadrille,
        failed.checkout_id,
        lambda lines: (
            "from staff" in lines[-1] and all(any(w in line for line in lines) for w in ("dead letter", "AlertOpened"))
        ),
    )
    assert not well
    assert lines[-1].startswith("Waiting for PaymentVoided or PaymentRefunded from staff since")
    assert lines[-2].startswith("So far: order Q-")
    marks = {line[24]: line for line in lines[1:-2] if line[24] != " "}
    assert {"✗", "↩"} <= marks.keys()
    assert "Void failed: 14.90 EUR of checkout" in next(line for line in lines if "AlertOpened" in line)
    assert "needs a person" in next(line for line in lines if "dead letter" in line)
    file = io.StringIO()
    assert not await run_stuck(quadrille.settings, Console(file=file, width=200), as_json=True)
    groups = {group["step"]: group for group in json.loads(file.getvalue())["stuck"]}
    assert groups["settle"]["who"] == "staff"
    assert groups["settle"]["checkouts"] >= 1


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
