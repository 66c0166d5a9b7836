"""Topics and databases of its own for every test, and inventory as the service to look at."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.inventory.__main__ import define
from services.inventory.model import Stock
from shared.contract.inventory import ReceiveStock
from shared.runtime import kafka
from shared.runtime.batch import Processor
from shared.runtime.database import OutboxRow
from shared.runtime.observability.tracing import Tracer
from shared.runtime.postgres.database import connect
from shared.runtime.postgres.port import PostgresDatabase
from shared.runtime.records import Outgoing
from shared.settings import Settings, load
from tests.support import system
from tests.support.stacks import Stack
from tests.support.topics import publish

_RUN_OUT = text(
    "UPDATE reservations SET due_at = now() - interval '1 second', version = version + 1 WHERE checkout_id = :checkout_id"
)
_TIME_LEFT = text("SELECT due_at - now() FROM reservations WHERE checkout_id = :checkout_id")


@dataclass
class Inventory:
    """Inventory's topics and database, with nobody running on them unless a test starts somebody."""

    environment: dict[str, str]
    settings: Settings
    engine: AsyncEngine
    database: PostgresDatabase

    def processor(self, tracer: Tracer | None = None) -> Processor:
        """The runtime's commit, as the service makes it."""
        return Processor(define(self.settings).wiring(self.settings, tracer or Tracer()), self.database)

    def partition_of(self, key: str) -> int:
        """The partition of a key."""
        return kafka.partition_of(key, self.settings.partitions)

    async def own(self, owner: str) -> dict[int, int]:
        """Take all partitions; returns their epochs."""
        return await self.database.take(range(self.settings.partitions), owner)

    async def write(self, *records: Outgoing) -> list[OutboxRow]:
        """Commit records to the outbox."""
        async with self.database.transaction() as transaction:
            return await transaction.send(records)

    async def receive(self, sku: str, ids: list[str], quantity: int = 1) -> None:
        """Publish a ``ReceiveStock`` with each of these ids."""
        await publish(self.settings, *[ReceiveStock(sku=sku, quantity=quantity)] * len(ids), ids=ids)

    async def on_hand(self, sku: str) -> int:
        """The units inventory has of a SKU."""
        async with self.engine.connect() as connection:
            found = await connection.execute(text("SELECT on_hand FROM stocks WHERE sku = :sku"), {"sku": sku})
            return int(found.scalar() or 0)

    async def count(self, table: str) -> int:
        """The rows of a table."""
        async with self.engine.connect() as connection:
            return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar() or 0)

    async def run_out(self, checkout_id: str) -> None:
        """The deadline of a reservation passes."""
        async with self.engine.begin() as connection:
            await connection.execute(_RUN_OUT, {"checkout_id": checkout_id})

    async def time_left(self, checkout_id: str) -> timedelta:
        """Until the deadline of a reservation."""
        async with self.engine.connect() as connection:
            left = (await connection.execute(_TIME_LEFT, {"checkout_id": checkout_id})).scalar_one()
            assert isinstance(left, timedelta)
            return left

    async def until_some(self, sku: str) -> None:
        """Wait until inventory has any of it."""
        async with asyncio.timeout(20):
            found = 0
            while not found:
                found = await self.on_hand(sku)

    async def until_on_hand(self, sku: str, wanted: int, seconds: float = 30) -> None:
        """Wait until inventory has so many units; fails where there are more, or not enough in time."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (found := await self.on_hand(sku)) != wanted:
            assert found < wanted, f"{found} units and not {wanted}: something counted twice"
            assert asyncio.get_running_loop().time() < deadline, f"only {found} of {wanted} units after {seconds} s"
            await asyncio.sleep(0.05)


@pytest.fixture
def bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inventory cannot receive 13 units."""
    usual = Stock.receive

    def receive(stock: Stock, quantity: int) -> None:
        if quantity == 13:
            raise ZeroDivisionError("a bug")
        usual(stock, quantity)

    monkeypatch.setattr(Stock, "receive", receive)


@pytest_asyncio.fixture
async def inventory(stack: Stack) -> AsyncIterator[Inventory]:
    """Topics and databases nobody else uses."""
    environment = await asyncio.to_thread(lambda: system.prepare(stack))
    settings = load(environment)
    engine = connect(settings.database_url("inventory"))
    database = PostgresDatabase(settings.database_url("inventory"))
    yield Inventory(environment, settings, engine, database)
    await engine.dispose()
    await database.close()
