"""Entries in the database: merged in any order, pruned by cart, and none that stops others."""

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.journal.model import Entry, Form
from shared.runtime.observability import metrics
from tests.integration.journal.conftest import AT, Journal
from tests.support import stories


async def test_the_journal_is_the_same_for_any_order_and_size_of_batches(shelf: Journal) -> None:
    entries = [entry for name in stories.names() for entry in stories.load(name).entries]
    await shelf.writer.write(entries)
    whole = await tables(shelf)
    for seed in range(3):
        await shelf.db.execute("TRUNCATE entries, checkouts")
        chance = random.Random(seed)
        arriving = chance.sample(entries, len(entries))
        while arriving:
            size = chance.randrange(1, 60)
            await shelf.writer.write(arriving[:size])
            if chance.random() < 0.3:
                await shelf.writer.write(arriving[:size])
            arriving = arriving[size:]
        assert await tables(shelf) == whole


async def tables(shelf: Journal) -> list[list[dict[str, Any]]]:
    """All that is kept."""
    return [await shelf.all("entries"), await shelf.all("checkouts")]


async def test_the_status_of_a_checkout_is_stored(shelf: Journal) -> None:
    for name in ("paid", "void_failed", "out_of_stock"):
        await shelf.writer.write(stories.load(name).entries)
    rows = {row["outcome"]: row for row in await shelf.all("checkouts")}
    paid, stuck = rows["completed"], rows["cancelled"]
    assert (paid["order_number"], paid["amount"], paid["currency"], paid["waits"]) == ("Q-0001005", 1490, "EUR", None)
    assert stuck["waits"].startswith('{"settle": ')
    assert stuck["authorization_id"].startswith("pi_")
    assert rows["out_of_stock"]["waits"] is None


async def test_a_recreated_topic_may_reuse_positions(shelf: Journal) -> None:
    (old, *_) = [one for name in stories.names() for one in stories.load(name).entries if one.form is Form.DEAD_LETTER]
    new = replace(aged(old, -1), source="/quadrille/cart", facts={"failure": {"error": "another"}})
    for overwrite in (False, True):
        await shelf.writer.write([old, new], overwrite=overwrite)
        await shelf.writer.write([new], overwrite=overwrite)
    kept = sorted(row["recorded_at"] for row in await shelf.all("entries"))
    assert kept == [old.recorded_at, new.recorded_at]


async def test_a_refused_entry_does_not_stop_the_others(shelf: Journal) -> None:
    entries = stories.load("paid").entries
    poison = replace(entries[3], message_id="poison", kind="nul\x00", topic="cart.events", partition=9, offset=9)
    await shelf.writer.write([*entries[:8], poison, *entries[8:]])
    assert len(await shelf.entries(entries[0].key)) == len(entries)
    (kept,) = await shelf.entries("")
    assert (kept.place, kept.form) == (("cart.events", 9, 9), Form.UNREADABLE)


async def test_entries_of_a_cart_are_pruned_together(shelf: Journal) -> None:
    old = {name: [aged(e, 100) for e in stories.load(name).entries] for name in ("paid", "void_failed")}
    young = stories.load("voided").entries
    stock = aged(replace(young[0], key="tea", kind="ReceiveStock", message_id="r", checkout_id=None), 100)
    returned = [aged(e, 100) for e in stories.load("another_card").entries]
    returned[-1] = aged(returned[-1], -100)  # the cart moved again since
    for entries in (*old.values(), young, [stock], returned):
        await shelf.writer.write(entries)
    pruned = await forget(shelf, days=90)
    assert pruned == len(old["paid"]) + 1
    assert await shelf.entries(old["paid"][0].key) == []
    assert await shelf.entries("tea") == []
    for kept in (old["void_failed"], young, returned):
        assert len(await shelf.entries(kept[0].key)) == len(kept)
    assert {row["outcome"] for row in await shelf.all("checkouts")} >= {"cancelled", "declined"}
    assert await shelf.db.fetchval("SELECT count(*) FROM checkouts WHERE order_number = 'Q-0001005'") == 0


def aged(entry: Entry, days: int) -> Entry:
    """An entry of so many days before."""
    age = timedelta(days=days)
    return replace(entry, at=entry.at - age, recorded_at=entry.recorded_at - age)


async def forget(shelf: Journal, days: int) -> int:
    """Prune until nothing is left to prune, a few entries at a time."""
    before = max(e.recorded_at for e in stories.load("voided").entries) - timedelta(days=days)
    pruned, last = 0, 1
    while last:
        last = await shelf.writer.prune(before, limit=7)
        assert last <= 7
        pruned += last
    return pruned


async def test_a_batch_takes_a_few_statements(shelf: Journal) -> None:
    entries = [entry for name in stories.names() for entry in stories.load(name).entries]
    before = metrics.statements._value.get()
    await shelf.writer.write(entries)
    assert metrics.statements._value.get() - before == 4


@pytest.mark.parametrize("overwrite", [False, True])
async def test_a_record_published_twice_is_one_entry(shelf: Journal, overwrite: bool) -> None:
    (first, *_) = stories.load("paid").entries
    dead = replace(first, topic="checkout.dlq", form=Form.DEAD_LETTER, offset=1, facts={"failure": {"error": "no"}})
    again = replace(first, offset=first.offset + 5)
    other = replace(first, source="/another/shop")
    await shelf.writer.write([first, again, dead, replace(dead, offset=2), other], overwrite=overwrite)
    await shelf.writer.write([again, dead], overwrite=overwrite)
    kept = await shelf.entries(first.key)
    assert sorted((e.form, e.source) for e in kept) == [
        (Form.DEAD_LETTER, first.source),
        (Form.DEAD_LETTER, first.source),
        (Form.MESSAGE, "/another/shop"),
        (Form.MESSAGE, first.source),
    ]


async def test_the_lag_is_the_latest(shelf: Journal) -> None:
    await shelf.writer.report_lag({0: 5, 1: 7})
    await shelf.writer.report_lag({1: 0, 2: 1})
    assert {row["partition"]: row["lag"] for row in await shelf.all("consumer_lag")} == {0: 5, 1: 0, 2: 1}
    assert all(row["reported_at"] >= AT for row in await shelf.all("consumer_lag"))
