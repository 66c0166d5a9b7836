"""The journal on a real broker and database: every record is stored once, whichever process fails."""

import asyncio
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

from services.journal.follower import LAG_SECONDS, Follower
from services.journal.model import Form
from shared.contract.cart import CartOpened, CheckoutStarted
from shared.contract.inventory import StockReceived
from shared.contract.order import OrderRejected
from shared.contract.topics import DEAD_LETTERS, TOPICS
from shared.contract.values import Item
from tests.integration.journal.conftest import AT, Journal
from tests.support import services
from tests.support.away import CUT_OTHERS, away
from tests.support.stacks import Stack
from tests.support.waiting import until

ITEMS = (Item(sku="tea", quantity=2),)


def opened(cart_id: str) -> CartOpened:
    """The event of an opened cart."""
    return CartOpened(cart_id=cart_id, currency="EUR", customer_id="k")


def started(cart_id: str) -> CheckoutStarted:
    """The event of a started checkout."""
    return CheckoutStarted(cart_id=cart_id, checkout_id=f"{cart_id}.1", previous_checkout_id=None, items=ITEMS, expires_at=AT)


async def ready(follower: Follower) -> bool:
    """Whether the journal reports that it is ready."""
    return follower.state()["ready"] is True


async def caught_up(journal: Journal) -> bool:
    """Whether the stored lag of every partition is 0."""
    return [row["lag"] for row in await journal.all("consumer_lag")] == [0] * journal.settings.partitions


async def test_records_are_stored_once_however_often_they_are_published(journal: Journal) -> None:
    (first,) = await journal.publish(opened("c1"))
    await journal.publish(started("c1"), ids=["twice"])
    await journal.publish(started("c1"), ids=["twice"])
    await journal.publish(StockReceived(sku="tea", on_hand=5, reserved=0, quantity=5))
    async with journal.followed():
        kept = await journal.until_kept("c1", 2)
        (stock,) = await journal.until_kept("tea", 1)
    assert {e.message_id for e in kept} == {first, "twice"}
    assert all((e.at, e.form, e.service) == (AT, Form.MESSAGE, "cart") for e in kept)
    assert stock.facts == {"on_hand": 5, "reserved": 0, "quantity": 5}
    assert await journal.count("checkouts") == 1


async def test_every_topic_is_followed_including_unreadable_records(journal: Journal) -> None:
    for topic in TOPICS:
        await journal.publish_bytes(topic, f"key-of-{topic}", b"\x00\xff nonsense")
    await journal.publish_bytes("cart.events", "null", None)
    await journal.publish(opened("after"))
    async with journal.followed():
        for topic in TOPICS:
            (kept,) = await journal.until_kept(f"key-of-{topic}", 1)
            assert kept.topic == topic
            of_others = Form.DEAD_LETTER if topic == DEAD_LETTERS else Form.COPY
            assert kept.form is (of_others if topic == DEAD_LETTERS or topic.endswith(".redrive") else Form.UNREADABLE)
        await journal.until_kept("null", 1)
        await journal.until_kept("after", 1)


async def test_the_successor_of_a_killed_process_stores_its_records_once(journal: Journal, tmp_path: Path) -> None:
    environment = journal.environment
    first = services.start("journal", "services.journal", environment, tmp_path)
    await asyncio.to_thread(first.wait_until_healthy)
    ids = [f"id-{n:05d}" for n in range(6000)]
    messages = [opened(f"cart-{n % 12}") for n in range(6000)]
    sending = asyncio.create_task(journal.publish(*messages, ids=ids))
    await until(lambda: journal.has("entries", 500), "the first 500 entries")
    first.process.send_signal(signal.SIGKILL)
    await sending
    second = services.start("journal", "services.journal", environment, tmp_path)
    for n in range(12):
        await journal.until_kept(f"cart-{n}", 500)
    assert await journal.count("entries") == 6000
    await asyncio.to_thread(second.wait_until_healthy)
    assert await asyncio.to_thread(second.stop) < 5
    assert second.process.returncode == 0
    await asyncio.to_thread(first.process.wait)


async def test_a_database_outage_loses_nothing(journal: Journal) -> None:
    async with journal.followed() as follower:
        for n in range(4):
            await journal.publish(*(opened(f"c{n}") for _ in range(50)))
            await journal.db.execute(CUT_OTHERS)
        for n in range(4):
            await journal.until_kept(f"c{n}", 50)
        await until(lambda: ready(follower), "health")


async def test_it_is_not_ready_during_a_database_outage(stack: Stack, journal: Journal) -> None:
    """Also while nothing arrives that it would have to keep."""
    async with journal.followed() as follower:
        await until(lambda: ready(follower), "readiness")
        async with away(stack, journal.settings.database_url("journal")):
            await until(lambda: not follower.state()["ready"])
            end = time.monotonic() + LAG_SECONDS + 1
            while time.monotonic() < end:
                assert "the database is away" in str(follower.state()["trouble"])
                await asyncio.sleep(0.01)
        await until(lambda: ready(follower), "readiness")


async def test_it_reports_its_lag(journal: Journal) -> None:
    await journal.publish(opened("c1"))
    async with journal.followed() as follower:
        await journal.until_kept("c1", 1)
        await until(lambda: caught_up(journal), "the lag of every partition")
        assert follower.state() == {
            "service": "journal", "ready": True, "trouble": None, "partitions": [0, 1, 2, 3, 4, 5], "lag": 0,
        }  # fmt: skip
    rows = await journal.all("consumer_lag")
    assert all((datetime.now(UTC) - row["reported_at"]).total_seconds() < 60 for row in rows)


async def test_an_effect_may_be_read_before_its_cause(journal: Journal) -> None:
    await journal.publish(OrderRejected(cart_id="c1", checkout_id="c1.1", reasons=()), ids=["effect"])
    async with journal.followed():
        await journal.until_kept("c1", 1)
        assert (await journal.checkout("c1.1"))["waits"] is None
        await journal.publish(started("c1"))
        await journal.until_kept("c1", 2)
        assert "reopen_unconfirmed" in (await journal.checkout("c1.1"))["waits"]
