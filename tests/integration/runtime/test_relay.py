"""A relay that is stopped at a bad moment."""

import asyncio
import contextlib
from typing import Any

from sqlalchemy import text

from shared.runtime import outbox
from shared.runtime.records import Outgoing
from shared.runtime.relay import Relay
from tests.integration.runtime.conftest import Inventory
from tests.support.topics import records

_DELETES = text(
    "SELECT pid, query_start FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM outbox%'"
)


async def test_a_stop_while_published_rows_are_deleted_leaves_none_of_them_behind(inventory: Inventory) -> None:
    waiting = [Outgoing(0, "inventory.events", b"k", b"%d" % n, []) for n in range(10)]
    async with inventory.engine.begin() as connection:
        rows = await outbox.insert(connection, waiting)
    relay = Relay("inventory", inventory.settings, inventory.engine, lambda: {0})
    running = asyncio.create_task(relay.run())

    async def deleting() -> set[Any]:
        async with inventory.engine.connect() as connection:
            return {tuple(row) for row in await connection.execute(_DELETES)}

    async with asyncio.timeout(20), inventory.engine.begin() as other:
        await other.execute(text("SELECT FROM outbox FOR UPDATE"))
        relay.publish(rows)
        while not (held_up := await deleting()):
            pass
        running.cancel()
        while held_up & await deleting():
            pass
    with contextlib.suppress(asyncio.CancelledError):
        await running
    assert await inventory.count("outbox") == 0
    assert len(await records(inventory.settings, "inventory.events", 10)) == 10
