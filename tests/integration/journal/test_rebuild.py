"""A rebuild from the topics: the journal is the same as before, whatever was lost."""

import asyncio

import pytest

from services.journal.rebuild import RebuildError, rebuild
from shared.contract.cart import CheckoutAbandoned, CheckoutStarted
from shared.contract.inventory import StockReserved
from shared.contract.values import Item
from tests.integration.journal.conftest import AT, Journal
from tests.support import stories
from tests.support.waiting import until

ITEMS = (Item(sku="tea", quantity=2),)
CARTS = 40


async def fill(journal: Journal) -> None:
    """Publish records of many carts, some unreadable, and store them in the journal."""
    for n in range(CARTS):
        at = {"cart_id": f"c{n}", "checkout_id": f"c{n}.1"}
        await journal.publish(CheckoutStarted(**at, previous_checkout_id=None, items=ITEMS, expires_at=AT))
        if n % 2:
            await journal.publish(StockReserved(**at, revision=0, items=ITEMS, expires_at=AT))
    await journal.publish_bytes("cart.commands", "bad", b"\xff")
    await journal.publish_bytes("checkout.dlq", "dead", b"\xff")
    async with journal.followed():
        await until(lambda: journal.has("entries", CARTS + CARTS // 2 + 2), "every entry")


async def test_a_rebuild_restores_lost_and_wrong_rows(journal: Journal) -> None:
    await fill(journal)
    entries, checkouts = await journal.all("entries"), await journal.all("checkouts")
    await journal.db.execute("DELETE FROM entries WHERE partition = 0; DELETE FROM checkouts WHERE checkout_id < 'c2'")
    await journal.db.execute("""UPDATE entries SET facts = '{"spoilt": 1}', at = now() WHERE partition = 1""")
    await journal.db.execute("""UPDATE checkouts SET steps = '{"OrderCreated": 1}', waits = '{"capture": 1}'""")
    progress: list[tuple[int, int]] = []
    done = await rebuild(journal.settings, lambda read, of: progress.append((read, of)))
    assert await journal.all("entries") == entries
    assert await journal.all("checkouts") == checkouts
    assert (done.records, done.checkouts) == (CARTS + CARTS // 2 + 2, CARTS)
    assert progress[-1] == (done.records, done.records)


async def test_a_rebuild_keeps_entries_of_deleted_records(journal: Journal) -> None:
    older = stories.load("paid").entries
    await journal.writer.write(older)
    await fill(journal)
    before = await journal.all("checkouts")
    await rebuild(journal.settings)
    assert len(await journal.entries(older[0].key)) == len(older)
    assert await journal.all("checkouts") == before


async def test_a_rebuild_may_run_beside_the_journal_but_not_twice(journal: Journal) -> None:
    await fill(journal)
    async with journal.followed():
        rebuilding = [asyncio.create_task(rebuild(journal.settings)) for _ in range(2)]
        for n in range(CARTS):
            gone = CheckoutAbandoned(cart_id=f"c{n}", checkout_id=f"c{n}.1", by="customer")
            await journal.publish(gone)
        outcomes = await asyncio.gather(*rebuilding, return_exceptions=True)
        await until(lambda: journal.has("entries", 2 * CARTS + CARTS // 2 + 2), "every entry")
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["RebuildError", "Rebuilt"]
    assert {row["outcome"] for row in await journal.all("checkouts")} == {"abandoned"}
    with pytest.raises(RebuildError, match="is running"):
        raise next(outcome for outcome in outcomes if isinstance(outcome, RebuildError))
