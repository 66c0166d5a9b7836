"""Services as processes: crashes, hand-overs and stops, with nothing lost and nothing doubled."""

import asyncio
import signal
from pathlib import Path

import pytest
from sqlalchemy import text

from devstack.ports import free_port
from shared.runtime.observability import backlog
from shared.runtime.postgres.inbox import KEPT
from shared.runtime.records import Outgoing
from tests.integration.runtime.conftest import Inventory
from tests.support import services
from tests.support.away import CUT_OTHERS, away
from tests.support.stacks import Stack
from tests.support.topics import headers, records
from tests.support.waiting import until

OLD = text(
    "INSERT INTO inbox (source, id, seen_at)"
    " SELECT '/old', n::text, now() - CAST(:kept AS interval) - interval '1 minute' FROM generate_series(1, :count) AS n"
)


def ids(start: int, count: int) -> list[str]:
    """Message ids."""
    return [f"id-{number:06d}" for number in range(start, start + count)]


async def start(inventory: Inventory, logs: Path) -> services.Running:
    """A member of inventory's group, healthy."""
    made = services.start("inventory", "services.inventory", inventory.environment, logs)
    await asyncio.to_thread(made.wait_until_healthy)
    return made


async def test_what_a_crash_left_in_the_outbox_is_published_in_order_and_forgotten(
    inventory: Inventory, tmp_path: Path
) -> None:
    left = [Outgoing(n % 6, "inventory.events", b"k%d" % (n % 6), b"%d" % n, [("ce_id", b"left-%d" % n)]) for n in range(600)]
    await inventory.write(*left)
    member = await start(inventory, tmp_path)
    published = await records(inventory.settings, "inventory.events", 600)
    for partition in range(6):
        assert [int(r.value) for r in published if r.partition == partition] == list(range(partition, 600, 6))
    await until(lambda: inventory.count("outbox"), "an empty outbox", good=lambda found: found == 0)
    await asyncio.to_thread(member.stop)


async def test_a_killed_member_s_partitions_go_to_another_and_every_message_counts_once(
    inventory: Inventory, tmp_path: Path
) -> None:
    skus = [f"sku-{n}" for n in range(12)]
    first, second = await asyncio.gather(start(inventory, tmp_path), start(inventory, tmp_path))
    for n, sku in enumerate(skus):
        await inventory.receive(sku, ids(1000 * n, 50))
    first.process.send_signal(signal.SIGKILL)
    for n, sku in enumerate(skus):
        await inventory.receive(sku, ids(1000 * n + 40, 60))  # ten of them for the second time
    for sku in skus:
        await inventory.until_on_hand(sku, 100, seconds=40)
    published = await records(inventory.settings, "inventory.events", 1200)
    assert len({headers(r)["ce_id"] for r in published}) == 1200
    await asyncio.to_thread(first.process.wait)
    await asyncio.to_thread(second.stop)


async def test_two_members_share_the_partitions(inventory: Inventory, tmp_path: Path) -> None:
    first, second = await asyncio.gather(start(inventory, tmp_path), start(inventory, tmp_path))

    def shared() -> bool:
        partitions = [member.probe("/readyz")[1].get("partitions") for member in (first, second)]
        return all(isinstance(some, list) and len(some) == 3 for some in partitions)

    await until(lambda: asyncio.to_thread(shared), "three partitions for each")
    assert await asyncio.to_thread(first.stop) < 5
    await inventory.receive("tea", ids(0, 10))
    await inventory.until_on_hand("tea", 10)
    await asyncio.to_thread(second.stop)


async def test_a_stop_under_load_takes_less_than_five_seconds_and_loses_nothing(inventory: Inventory, tmp_path: Path) -> None:
    member = await start(inventory, tmp_path)
    sending = asyncio.create_task(inventory.receive("tea", ids(0, 3000)))
    await inventory.until_some("tea")
    assert await asyncio.to_thread(member.stop) < 5
    assert member.process.returncode == 0
    await sending
    async with inventory.engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar() == 0
    successor = await start(inventory, tmp_path)
    await inventory.until_on_hand("tea", 3000)
    await asyncio.to_thread(successor.stop)


async def test_a_database_that_goes_away_stops_nothing_for_good(inventory: Inventory, tmp_path: Path) -> None:
    member = await start(inventory, tmp_path)
    await inventory.receive("tea", ids(0, 100))
    for round_ in range(3):
        async with inventory.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text(CUT_OTHERS))
        await inventory.receive("tea", ids(100 + 100 * round_, 100))
    await inventory.until_on_hand("tea", 400)
    assert member.process.poll() is None
    await asyncio.to_thread(member.stop)


async def test_a_service_without_its_database_lives_and_is_not_ready(
    stack: Stack, inventory: Inventory, tmp_path: Path
) -> None:
    """From its first moment: whoever starts anew what does not live would start it anew for ever."""
    url = inventory.settings.database_url("inventory")
    async with away(stack, url):
        made = services.start("inventory", "services.inventory", inventory.environment, tmp_path)
        await asyncio.to_thread(made.wait_until, "without its database", lambda: says(made, "the database is away"))
        assert made.probe("/livez") == (200, {"service": "inventory", "live": True})
    await asyncio.to_thread(made.wait_until_healthy)
    async with away(stack, url):
        await asyncio.to_thread(made.wait_until, "without its database again", lambda: says(made, "the database is away"))
        assert made.probe("/livez") == (200, {"service": "inventory", "live": True})
        assert await asyncio.to_thread(made.stop) < services.STOP_SECONDS
    assert made.process.returncode == 0


async def test_a_service_without_its_broker_lives_and_is_not_ready(inventory: Inventory, tmp_path: Path) -> None:
    environment = {**inventory.environment, "QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    made = services.start("inventory", "services.inventory", environment, tmp_path)
    await asyncio.to_thread(made.wait_until, "without its broker", lambda: says(made, "the broker cannot be reached"))
    assert made.probe("/livez") == (200, {"service": "inventory", "live": True})
    assert await asyncio.to_thread(made.stop) < services.STOP_SECONDS
    assert made.process.returncode == 0


def says(running: services.Running, trouble: str) -> bool:
    """Whether it says that it is not ready, because of this."""
    status, said = running.probe("/readyz")
    return status == 503 and not said["ready"] and trouble in str(said["trouble"])


async def test_a_member_without_partitions_says_that_the_database_is_away(
    stack: Stack, inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "LOOK_SECONDS", 0.05)
    health_problems: dict[str, str] = {}
    looking = asyncio.create_task(backlog.watch("inventory", inventory.database, health_problems))
    async with away(stack, inventory.settings.database_url("inventory")):
        await until(lambda: health_problems)
    assert "the database is away" in health_problems["outbox"]
    await until(lambda: not health_problems)
    looking.cancel()


async def test_what_is_old_is_forgotten_as_fast_as_a_busy_service_remembers(inventory: Inventory, tmp_path: Path) -> None:
    async with inventory.engine.begin() as connection:
        await connection.execute(text("INSERT INTO inbox (source, id) SELECT '/new', n::text FROM generate_series(1, 5) AS n"))
        await connection.execute(OLD, {"count": 30_000, "kept": KEPT})
    member = await start(inventory, tmp_path)
    await until(lambda: inventory.count("inbox"), "the end of what is old", good=lambda found: found == 5)
    assert await inventory.count("inbox WHERE source = '/new'") == 5
    await asyncio.to_thread(member.stop)
