"""The port to PostgreSQL while its connections are cut: every error is one of the port's."""

import asyncio
import random
import time
from collections import Counter

from sqlalchemy import text

from shared.runtime.database import DatabaseAwayError
from shared.runtime.records import Outgoing
from tests.integration.runtime.conftest import Inventory
from tests.support.away import CUT_OTHERS

SECONDS = 6


async def test_whatever_a_cut_connection_is_in_the_middle_of_the_database_is_away(inventory: Inventory) -> None:
    until, met = time.monotonic() + SECONDS, Counter[str]()

    async def cut() -> None:
        while time.monotonic() < until:
            async with inventory.engine.begin() as connection:  # a transaction sees the others as they were when it began
                await connection.execute(text(CUT_OTHERS))
            await asyncio.sleep(random.uniform(0.01, 0.08))

    async def write() -> None:
        async with inventory.database.transaction() as transaction:
            await transaction.send([Outgoing(0, "inventory.events", b"k", b"v", [])] * 3)

    async def work(name: str) -> None:
        database = inventory.database
        asked = {
            "write": write,
            "delete": lambda: database.delete([1, 2, 3]),
            "pending": lambda: database.pending({0}, [], 10, 1_000),
            "take": lambda: database.take({0}, "b"),
            "backlog": database.backlog,
            "prune": database.prune,
        }
        while time.monotonic() < until:
            try:
                await asked[name]()
                met["done"] += 1
            except DatabaseAwayError:
                met["away"] += 1

    await asyncio.gather(cut(), *(work(name) for name in ("write", "delete", "pending", "take", "backlog", "prune")))
    assert met["away"] > 10
    assert met["done"] > 10
