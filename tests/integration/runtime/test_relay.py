"""A relay that is stopped at a bad moment."""

import asyncio
import contextlib
from typing import Any

import pytest
from sqlalchemy import text

from shared.runtime import kafka
from shared.runtime.database import OutboxRow
from shared.runtime.kafka import sender
from shared.runtime.kafka.consumer import PARTITION_RECORDS, POLL_RECORDS, PartitionConsumer
from shared.runtime.kafka.topics import create_topics
from shared.runtime.records import IN_HAND_BYTES, Outgoing, size
from shared.runtime.relay import FULL_BYTES, Relay
from tests.integration.runtime.conftest import Inventory
from tests.support.topics import alter, records

_DELETES = text(
    "SELECT pid, query_start FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'DELETE FROM outbox%'"
)


async def test_a_stop_while_published_rows_are_deleted_leaves_none_of_them_behind(inventory: Inventory) -> None:
    waiting = [Outgoing(0, "inventory.events", b"k", b"%d" % n, []) for n in range(10)]
    rows = await inventory.write(*waiting)
    relay = Relay("inventory", inventory.settings, inventory.database, lambda: {0})
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


async def test_what_is_large_is_in_hand_in_small_numbers_on_its_way_out_and_in(inventory: Inventory) -> None:
    large = Outgoing(0, "inventory.events", b"k", bytes(100_000), [])
    count = FULL_BYTES // size(large) + 1
    assert count < POLL_RECORDS
    await inventory.write(*[large] * count)
    relay = Relay("inventory", inventory.settings, inventory.database, lambda: {0})
    running = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(60):
            await relay.publish_pending({0})
            await relay.drained()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert await inventory.count("outbox") == 0
    taken = 0
    async with (
        PartitionConsumer("tests", inventory.settings, ["inventory.events"], asyncio.Lock()) as member,
        asyncio.timeout(60),
    ):
        while taken < count:
            while member._taken.is_set() and taken + len(member._arrived) < count:
                member.ready.clear()
                await member.ready.wait()
            records = member.drain()
            assert sum(map(size, records)) < IN_HAND_BYTES + PARTITION_RECORDS * size(large)
            taken += len(records)


async def test_a_relay_that_has_too_much_in_hand_has_no_room_until_it_is_to_end(inventory: Inventory) -> None:
    large = Outgoing(0, "inventory.events", b"k", bytes(1_000_000), [])
    relay = Relay("inventory", inventory.settings, inventory.database, lambda: {0})
    relay.publish([OutboxRow(n, large) for n in range(FULL_BYTES // size(large))])
    assert not relay._is_full
    relay.publish([OutboxRow(FULL_BYTES, large)])
    assert not await relay.wait_for_capacity(0.01)
    relay.stop_backpressure()
    assert await relay.wait_for_capacity(0.01)


async def test_a_sweep_takes_so_many_rows_and_bytes_and_says_whether_there_are_more(inventory: Inventory) -> None:
    waiting = [Outgoing(n % 2, "inventory.events", b"k", None if n == 4 else bytes(100), []) for n in range(9)]
    ids = [row.id for row in await inventory.write(*waiting)]

    async def pending(known: list[int], limit: int, limit_bytes: int) -> tuple[list[int], bool]:
        rows, more = await inventory.database.pending({0}, known, limit, limit_bytes)
        return [row.id for row in rows], more

    mine = ids[::2]
    assert await pending([], 10, 1_000) == (mine, False)
    assert await pending([], 10, 150) == (mine[:2], True)
    assert await pending([], 2, 1_000) == (mine[:2], True)
    assert await pending(mine[:2], 10, 150) == (mine[2:4] + mine[4:], False)
    assert await pending(mine, 10, 1_000) == ([], False)


async def _values(inventory: Inventory, topic: str, count: int) -> list[bytes]:
    """The values in a topic as they came first: one whose acknowledgement was lost is sent again."""
    return list(dict.fromkeys([record.value for record in await records(inventory.settings, topic, count)]))


async def test_a_topic_that_refuses_keeps_no_other_waiting_and_gets_its_own_in_order(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A topic that is gone takes nothing, as one does that we may not write; then it is there."""
    monkeypatch.setattr(sender, "ACK_SECONDS", 1)
    async with kafka.admin_client(inventory.settings) as admin:
        await admin.delete_topics([inventory.settings.topic("inventory.events")])
        there = True
        while there:
            there = inventory.settings.topic("inventory.events") in await admin.list_topics()
    relay = Relay("inventory", inventory.settings, inventory.database, lambda: {0})
    running = asyncio.create_task(relay.run())

    async def commit(*numbers: int) -> None:
        topics = ("inventory.events", "checkout.dlq")
        waiting = [Outgoing(0, topic, b"k", b"%d" % n, []) for n in numbers for topic in topics]
        rows = await inventory.write(*waiting)
        relay.publish(rows)
        await relay.drained()

    try:
        async with asyncio.timeout(60):
            await commit(0, 1, 2)
            assert "inventory.events refuses records" in str(relay.refusals.trouble)
            await commit(3, 4)
            assert await _values(inventory, "checkout.dlq", 5) == [b"0", b"1", b"2", b"3", b"4"]
            await relay.publish_pending({0})
            assert list(relay.refusals) == ["inventory.events"]
            await create_topics(inventory.settings)
            while relay.refusals.trouble:
                await relay.publish_pending({0})
            await commit(5)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert await _values(inventory, "inventory.events", 6) == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert await inventory.count("outbox") == 0


async def test_a_topic_whose_records_the_broker_refuses_at_once_keeps_no_other_waiting(inventory: Inventory) -> None:
    """A compacted topic takes no record without a key."""
    await alter(inventory.settings, "inventory.events", cleanup_policy="compact")
    waiting = [Outgoing(0, topic, None, b"v", []) for topic in ("inventory.events", "checkout.dlq")]
    rows = await inventory.write(*waiting)
    relay = Relay("inventory", inventory.settings, inventory.database, lambda: {0})
    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(20):
        relay.publish(rows)
        await relay.drained()
        assert len(await records(inventory.settings, "checkout.dlq")) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert list(relay.refusals) == ["inventory.events"]
    assert await inventory.count("outbox") == 1
