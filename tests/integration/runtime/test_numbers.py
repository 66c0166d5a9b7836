"""Order numbers on a real database: the next for each order, whoever makes it, and none for anything else."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.order.__main__ import define
from services.order.model import Checkout
from services.order.reactions import reactions
from shared.contract.cart import CheckoutAbandoned, CheckoutConfirmed
from shared.contract.envelope import Envelope
from shared.contract.inventory import ReservationExtended
from shared.contract.message import Message
from shared.contract.order import CancelOrder
from shared.contract.payment import PaymentAuthorized, PaymentCaptured, PaymentDeclined, PaymentDeferred
from shared.runtime.batch import Processor
from shared.runtime.inputs import Deliver, WorkItem
from shared.runtime.observability.tracing import Tracer
from shared.runtime.postgres.database import connect
from shared.runtime.postgres.port import PostgresDatabase
from shared.settings import Settings, load
from tests.integration.runtime.conftest import Inventory
from tests.support.facts import a

UNTIL_PAID = (CheckoutConfirmed, ReservationExtended)
ORDERED = text("SELECT checkout_id, number FROM checkouts WHERE number IS NOT NULL ORDER BY number")


class Order:
    """Two processes of order that share its database, each with half of the partitions."""

    def __init__(self, settings: Settings, engine: AsyncEngine, database: PostgresDatabase) -> None:
        definition = define(settings)
        self.engine, self.epochs = engine, dict[int, int]()
        self.database = database
        self.members = [Processor(definition.wiring(settings, Tracer()), self.database) for _ in range(2)]

    async def own(self) -> None:
        """Take both partitions."""
        self.epochs = await self.database.take(range(2), "tests")

    async def hear(self, member: int, *messages: Message) -> None:
        """One commit of a process."""
        items: list[WorkItem] = [
            Deliver(
                member, reactions.by_trigger[type(m)], m, Envelope(f"{type(m).__name__} {m.subject}", "/tests", "", m.key, "c")
            )
            for m in messages
        ]
        await self.members[member].process(items, self.epochs)

    async def numbers(self) -> list[tuple[str, int]]:
        """The orders, by their numbers."""
        async with self.engine.connect() as connection:
            return [(row.checkout_id, row.number) for row in await connection.execute(ORDERED)]


@pytest_asyncio.fixture
async def order(inventory: Inventory) -> AsyncIterator[Order]:
    """Order on a database of its own."""
    settings = load(inventory.environment)
    engine = connect(settings.database_url("order"))
    database = PostgresDatabase(settings.database_url("order"))
    made = Order(settings, engine, database)
    await made.own()
    yield made
    await engine.dispose()
    await database.close()


def of(cart_id: str, kind: type[Any], **more: Any) -> Any:
    return a(kind, cart_id=cart_id, checkout_id=f"{cart_id}.1", **more)


async def test_each_order_has_the_next_number_and_nothing_else_draws_one(order: Order) -> None:
    for n in range(12):
        member, cart_id = n % 2, f"c{n:02}"
        end = (PaymentAuthorized, PaymentDeclined, PaymentDeferred)[n % 3]
        for message in (*(of(cart_id, kind) for kind in UNTIL_PAID), *[of(cart_id, end)] * 2, of(f"d{n}", CheckoutAbandoned)):
            await order.hear(member, message)
        await order.hear(member, of(cart_id, PaymentCaptured), of(cart_id, CancelOrder))
    assert await order.numbers() == [(f"c{n:02}.1", 1001 + i) for i, n in enumerate(n for n in range(12) if n % 3 != 1)]


async def test_the_orders_of_one_commit_have_numbers_too_and_a_failure_leaves_a_gap(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Checkout.create_order

    def create(checkout: Checkout, *more: Any) -> None:
        if checkout.cart_id == "b":
            raise ZeroDivisionError("a bug")
        usual(checkout, *more)

    monkeypatch.setattr(Checkout, "create_order", create)
    await order.hear(0, *(of(cart_id, kind) for cart_id in "abc" for kind in (*UNTIL_PAID, PaymentAuthorized)))
    numbers = await order.numbers()
    assert [checkout_id for checkout_id, _ in numbers] == ["a.1", "c.1"]
    await order.hear(0, *(of("d", kind) for kind in (*UNTIL_PAID, PaymentAuthorized)))
    assert (await order.numbers())[-1] == ("d.1", numbers[-1][1] + 1)
