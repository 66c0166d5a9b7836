"""Topics, databases and a gateway nobody else uses, a stock of products, and the books in the end."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.audit import audit
from cli.audit.books import Books, read
from devstack.demo.shop import Shop
from shared.client import HEARD, CheckoutClient
from shared.contract.order import CouponDefined, DefineCoupon
from shared.contract.services import SERVICES
from shared.contract.topics import DEAD_LETTERS, events_topic
from shared.runtime.postgres.database import connect
from shared.settings import Settings, load
from tests.integration.crash.load import Load
from tests.integration.crash.supervisor import Supervisor
from tests.support import services, system
from tests.support.stacks import Stack
from tests.support.topics import headers, records

LIMITS: Final = {
    "QUADRILLE_GATEWAY_TIMEOUT_SECONDS": "2",
    "QUADRILLE_PAYMENT_BACKOFF_SECONDS": "0.1",
    "QUADRILLE_PAYMENT_ATTEMPTS": "8",
    "QUADRILLE_RESERVATION_SECONDS": "3",
    "QUADRILLE_RETRY_HOLD_SECONDS": "3",
    "QUADRILLE_SESSION_SECONDS": "6",
}
"""What is given up is given up while one waits."""
STOCK: Final = 1_000_000
COUPON: Final = "CRASH"


@dataclass
class Market:
    """A shop under load, whose services die."""

    settings: Settings
    supervisor: Supervisor
    client: CheckoutClient
    load: Load

    async def settled(self, seconds: float) -> Books:
        """Wait until nothing is under way any more, as the audit and the books see it; returns the books.

        Raises ``AssertionError`` naming what is not as it should be.
        """
        await self.load.ended(seconds)
        deadline = time.monotonic() + seconds
        report = await audit(self.settings, patience=seconds)
        assert report.violations == []
        while open_ := [*_under_way(await read(self.settings), self.load)]:
            assert time.monotonic() < deadline, open_
            await asyncio.sleep(0.5)
        return await read(self.settings)

    async def sent_again(self) -> int:
        """How many records were published more than once: what a death leaves behind, and every reader drops.

        Raises ``AssertionError`` where a copy is not the same, byte for byte: it would be of another commit.
        """
        copies: Counter[str] = Counter()
        contents: dict[str, tuple[object, ...]] = {}
        for service in SERVICES:
            for record in await records(self.settings, events_topic(service)):
                name = headers(record)["ce_id"]
                content = (record.topic, record.partition, record.key, record.value, record.headers)
                assert contents.setdefault(name, content) == content
                copies[name] += 1
        return sum(count > 1 for count in copies.values())

    def outcomes(self, books: Books) -> Counter[str]:
        """How the checkouts ended, by their story."""
        return Counter(f"{name}: {_end(books, f'{cart_id}.1')}" for cart_id, name in self.load.carts.items())


def _under_way(books: Books, load: Load) -> Iterator[str]:
    for cart_id in load.carts:
        cart = books.carts.get(cart_id)
        if cart is None or cart.state not in ("active", "inactive"):
            yield f"{cart_id} is {cart.state if cart else 'unknown'}"
    for reservation in books.reservations.values():
        if reservation.state in ("held", "extended", "allocated"):
            yield f"{reservation.id} is {reservation.state}"


def _end(books: Books, checkout_id: str) -> str:
    checkout, payment = books.checkouts.get(checkout_id), books.payments.get(checkout_id)
    states: list[Any] = [row.state for row in (checkout, payment) if row is not None]
    return ", ".join(states) or "not confirmed"


@contextlib.asynccontextmanager
async def market(stack: Stack, folder: Path) -> AsyncIterator[Market]:
    """A market whose services have been running once and are not: there are products, and carts can know them."""
    with services.sandbox(folder) as gateway:
        environment = await asyncio.to_thread(lambda: system.prepare(stack, **gateway, **LIMITS))
        settings = load(environment)
        supervisor = Supervisor(environment, folder)
        engine = connect(settings.database_url("alerts"))
        async with CheckoutClient(settings, topics=(*HEARD, DEAD_LETTERS)) as client:
            try:
                shop = Shop(client, engine)
                await asyncio.gather(*(supervisor.start(service).healthy() for service in SERVICES))
                skus = [await shop.product(STOCK) for _ in range(3)]
                await client.send(DefineCoupon(code=COUPON, kind="percentage", percent_off=1000))
                await client.wait_for(COUPON, CouponDefined)
                await shop.cart(*skus)
                yield Market(settings, supervisor, client, Load(client, skus, COUPON))
            finally:
                await supervisor.stop()
                await engine.dispose()
