"""A service whose clock is wrong by more than an hour: what it says is heard, and what it measures is right."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from shared.contract.dead_letter import failure_headers
from shared.contract.topics import DEAD_LETTERS
from shared.runtime.records import Outgoing
from tests.integration.runtime.conftest import Inventory
from tests.support import services
from tests.support.topics import records

WRONG_SECONDS = 3_700


@pytest.mark.parametrize("wrong", [WRONG_SECONDS, -WRONG_SECONDS], ids=["ahead", "behind"])
async def test_its_events_are_published_and_dated_by_the_broker(inventory: Inventory, tmp_path: Path, wrong: int) -> None:
    await inventory.receive("sku-1", [f"id-{n}" for n in range(10)])
    arguments = (str(wrong), "services.inventory")
    member = services.start("inventory", "proofs.chaos.wrong_clock", inventory.environment, tmp_path, *arguments)
    try:
        published = await records(inventory.settings, "inventory.events", 10)
        await asyncio.to_thread(member.wait_until_healthy)
    finally:
        member.stop()
    now = datetime.now(UTC).timestamp()
    assert all(abs(record.timestamp / 1000 - now) < WRONG_SECONDS / 2 for record in published)


async def test_it_knows_how_long_a_record_waits_to_be_published(inventory: Inventory) -> None:
    written = datetime.now(UTC) - timedelta(seconds=30)
    waiting = Outgoing(0, "inventory.events", b"k", b"v", [("ce_time", written.isoformat().encode())])
    await inventory.write(waiting)
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=WRONG_SECONDS), tick=True):
        found = await inventory.database.backlog()
    assert (found.depth, found.quarantined) == (1, 0)
    assert 30 <= found.age < WRONG_SECONDS / 2


@pytest.mark.parametrize("told", [b"\xff", b"", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z"])
async def test_what_a_dead_record_claims_of_its_time_is_not_how_long_it_waits(inventory: Inventory, told: bytes) -> None:
    failed = failure_headers("inventory", "read", "inventory.commands", 0, 1, "Error", "why", datetime.now(UTC))
    waiting = Outgoing(0, DEAD_LETTERS, b"k", b"v", [("ce_time", told), *failed])
    await inventory.write(waiting)
    found = await inventory.database.backlog()
    assert found.depth == 1
    assert found.age < WRONG_SECONDS / 2
