"""The batch as one commit, on a real database: nothing twice, nothing by a zombie, nothing lost beside a culprit."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.inventory.model import Reservation, Stock
from services.inventory.reactions import reactions
from shared.contract.cart import CheckoutAbandoned, CheckoutConfirmed, CheckoutStarted
from shared.contract.envelope import Envelope, Record, write
from shared.contract.inventory import AdjustStock, ReceiveStock
from shared.contract.message import Message
from shared.contract.rejection import CommandRejected
from shared.contract.topics import DEAD_LETTERS
from shared.contract.values import Item
from shared.runtime.database import FencedError
from shared.runtime.inputs import DeadLetter, Deliver, Reader, WorkItem
from shared.runtime.postgres.session import Session
from shared.runtime.reactions import TimerFired
from shared.runtime.records import Outgoing
from shared.runtime.work import RETRY_AFTER
from tests.integration.runtime.conftest import Inventory
from tests.support.clock import NOW
from tests.support.facts import CHECKOUT, ITEMS, a

READER = Reader(reactions)


def received(sku: str, message_id: str, partition: int, quantity: int = 1) -> WorkItem:
    """The work item of a ``ReceiveStock`` record."""
    command = ReceiveStock(sku=sku, quantity=quantity)
    headers, value = write(Envelope(message_id, "/tests", command.type_name(), sku, message_id), command, NOW)
    item = READER.read(Record("inventory.commands", partition, int(message_id, 36), sku.encode(), value, headers, 0))
    assert isinstance(item, Deliver)
    return item


def heard(message: Message, partition: int, message_id: str = "") -> WorkItem:
    """The work item of a message."""
    envelope = Envelope(message_id or type(message).__name__, "/tests", "", message.key, "c")
    return Deliver(partition, reactions.by_trigger[type(message)], message, envelope)


def _kind(record: Outgoing) -> str:
    """The name of the message in a record."""
    return (dict(record.headers)["ce_type"] or b"").split(b".")[1].decode()


def one_event(said: Message, partition: int, offset: int) -> WorkItem:
    """The work item of a record of an event, which always has the id ``e1``."""
    headers, value = write(Envelope("e1", "/quadrille/cart", said.type_name(), said.key, "c"), said, NOW)
    item = READER.read(Record(said.topic, partition, offset, said.key.encode(), value, headers, 0))
    assert isinstance(item, Deliver)
    return item


async def test_a_message_that_comes_again_changes_nothing(inventory: Inventory) -> None:
    epochs = await inventory.own("a")
    partition = inventory.partition_of("tea")
    first, second = received("tea", "m1", partition), received("tea", "m2", partition)
    processor = inventory.processor()
    assert (await processor.process([first, first, second], epochs)).handled == 2
    again = await processor.process([second, first], epochs)
    assert (again.handled, again.rows) == (0, [])
    assert await inventory.on_hand("tea") == 2


async def test_an_id_used_for_another_message_is_refused_once_and_told(inventory: Inventory) -> None:
    """A producer's counter began anew: what it says is new, and must not be taken for what it said before."""
    epochs, partition = await inventory.own("a"), inventory.partition_of("tea")
    processor = inventory.processor()
    await processor.process([received("tea", "m1", partition)], epochs)
    other, more = received("tea", "m1", partition, quantity=5), received("tea", "m2", partition)
    done = await processor.process([other, received("tea", "m1", partition), other, more], epochs)
    rows = [row.record for row in done.rows]
    told = [CommandRejected.model_validate_json(row.value or b"") for row in rows if b"reasons" in (row.value or b"")]
    assert [(t.command_id, t.reasons[0].code) for t in told] == [("m1", "id_reused")]
    assert "the id m1 of /tests was used before for another message" in told[0].reasons[0].message
    assert len({dict(row.headers)["ce_id"] for row in rows}) == 2
    assert (await processor.process([other, received("tea", "m1", partition)], epochs)).rows == []
    assert await inventory.on_hand("tea") == 2


async def test_an_event_under_the_id_of_another_is_a_dead_letter(inventory: Inventory) -> None:
    epochs, partition = await inventory.own("a"), inventory.partition_of("cart1")
    processor = inventory.processor()
    await processor.process([one_event(a(CheckoutStarted), partition, 1)], epochs)
    other = one_event(a(CheckoutStarted, items=ITEMS[:1]), partition, 2)
    done = await processor.process([other, one_event(a(CheckoutStarted), partition, 3)], epochs)
    (row,) = [row.record for row in done.rows]
    assert row.topic == DEAD_LETTERS
    assert dict(row.headers)["__connect.errors.exception.class.name"] == b"IdReusedError"


async def test_a_message_remembered_by_an_older_version_is_not_compared(inventory: Inventory) -> None:
    epochs, partition = await inventory.own("a"), inventory.partition_of("tea")
    async with inventory.engine.begin() as connection:
        await connection.execute(text("INSERT INTO inbox (source, id) VALUES ('/tests', 'm1')"))
    done = await inventory.processor().process([received("tea", "m1", partition)], epochs)
    assert (done.handled, done.rows) == (0, [])


async def test_a_former_owner_cannot_commit(inventory: Inventory) -> None:
    zombie = await inventory.own("zombie")
    await inventory.own("successor")
    with pytest.raises(FencedError):
        await inventory.processor().process([received("tea", "m1", inventory.partition_of("tea"))], zombie)
    assert await inventory.on_hand("tea") == 0
    assert await inventory.count("inbox") == 0


async def test_what_a_guest_commits_is_known_to_the_owner_of_the_partition(inventory: Inventory) -> None:
    """A guest handles a topic of the partition that the owner was not assigned; nothing fences the owner, and nobody both."""
    epochs, partition, processor = await inventory.own("a"), inventory.partition_of("tea"), inventory.processor()
    first = await processor.process([received("tea", "m1", partition)], epochs)
    guest = await processor.process([received("tea", "m2", partition), received("tea", "m1", partition)], None)
    assert (guest.handled, guest.visits, len(guest.rows)) == (1, {}, 1)
    second = await processor.process([received("tea", "m3", partition)], epochs)
    assert second.visits == {partition: first.visits[partition] + 1}
    assert await inventory.on_hand("tea") == 3
    assert first.rows[0].id < guest.rows[0].id < second.rows[0].id


@pytest.mark.usefixtures("bug")
async def test_a_reaction_that_raises_costs_only_its_own_message(inventory: Inventory) -> None:
    epochs = await inventory.own("a")
    partition = inventory.partition_of("tea")
    items = [received("tea", f"m{n}", partition, quantity=13 if n == 5 else 1) for n in range(10)]
    committed = await inventory.processor().process(items, epochs)
    assert await inventory.on_hand("tea") == 9
    (dead,) = [row.record for row in committed.rows if row.record.topic == DEAD_LETTERS]
    assert b'"quantity":13' in (dead.value or b"")
    headers = dict(dead.headers)
    assert headers["__connect.errors.exception.class.name"] == b"ZeroDivisionError"
    assert headers["__connect.errors.stage"] == b"receive_stock"


async def test_a_reaction_that_raises_for_every_message_of_a_batch_costs_linear_time(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message is tried at most three times, and all of them are written with one statement."""
    usual, ran, asked, fetch = Stock.receive, 0, list[str](), Session.fetch

    def receive(stock: Stock, quantity: int) -> None:
        nonlocal ran
        ran += 1
        usual(stock, quantity)  # and what it has changed by then is not kept
        if quantity == 13:
            raise ZeroDivisionError("a bug")

    async def noted(session: Session, statement: str, *parameters: object) -> list[Any]:
        asked.append(statement.partition(" */")[0])
        return await fetch(session, statement, *parameters)

    monkeypatch.setattr(Stock, "receive", receive)
    epochs, partition = await inventory.own("a"), inventory.partition_of("tea")
    monkeypatch.setattr(Session, "fetch", noted)
    bad = [received("tea", f"b{n}", partition, quantity=13) for n in range(250)]
    committed = await inventory.processor().process(bad, epochs)
    assert (committed.handled, ran <= 3 * 250, asked.count("/* batch commit"), len(asked) <= 5) == (250, True, 1, True)
    assert [row.record.topic for row in committed.rows] == [DEAD_LETTERS] * 250
    assert await inventory.on_hand("tea") == 0
    ran = 0
    asked.clear()
    mixed = [received("tea", f"m{n}", partition, quantity=13 if n % 2 else 1) for n in range(100)]
    committed = await inventory.processor().process(mixed, epochs)
    assert (ran <= 3 * 100, asked.count("/* batch commit"), len(asked) <= 5) == (True, 1, True)
    assert await inventory.on_hand("tea") == 50
    assert [row.record.topic for row in committed.rows].count(DEAD_LETTERS) == 50


async def test_what_the_database_refuses_is_found_by_splitting_the_batch(inventory: Inventory) -> None:
    epochs = await inventory.own("a")
    partition = inventory.partition_of("tea")
    nul = Record("inventory.commands", partition, 99, b"tea", b"x", [("ce_id", b"x")], 0)
    items: list[WorkItem] = [received("tea", f"m{n}", partition) for n in range(8)]
    items.insert(3, _beyond_the_column(partition))
    items.insert(5, DeadLetter(partition, nul, ValueError("unreadable"), "read"))
    committed = await inventory.processor().process(items, epochs)
    assert await inventory.on_hand("tea") == 8
    stages = [dict(row.record.headers)["__connect.errors.stage"] for row in committed.rows if row.record.topic == DEAD_LETTERS]
    assert sorted(stages, key=str) == [b"read", b"receive_stock"]


def _beyond_the_column(partition: int) -> WorkItem:
    """A command no database could keep: its quantity is beyond 64 bits (it never passes the contract's bounds)."""
    command = ReceiveStock.model_construct(sku="much", quantity=2**70)
    envelope = Envelope("much", "/tests", command.type_name(), "much", "much")
    record = Record("inventory.commands", partition, 1, b"much", b"{}", [], 0)
    return Deliver(partition, reactions.by_trigger[ReceiveStock], command, envelope, record)


async def test_a_search_finds_what_is_stored_as_the_transaction_has_changed_it(inventory: Inventory) -> None:
    """Eight carts hold a unit each; in one commit the last lets go, a ninth comes, and a count finds four fewer."""
    epochs, processor = await inventory.own("a"), inventory.processor()

    def of(cart_id: str, kind: type[Message], **more: Any) -> WorkItem:
        said = a(kind, cart_id=cart_id, checkout_id=f"{cart_id}.1", **more)
        return heard(said, inventory.partition_of(cart_id), f"{kind.__name__} {cart_id}")

    unit = (Item(sku="tea", quantity=1),)
    await processor.process([received("tea", "m1", inventory.partition_of("tea"), 8)], epochs)
    for n in range(8):
        await processor.process([of(f"c{n}", CheckoutStarted, items=unit)], epochs)
    count = heard(AdjustStock(sku="tea", delta=-4, reason="damaged"), inventory.partition_of("tea"), "count")
    batch = [of("c7", CheckoutAbandoned, by="customer"), of("c8", CheckoutStarted, items=unit), count]
    committed = await processor.process(batch, epochs)
    told = [(_kind(row.record), row.record.key) for row in committed.rows]
    assert told == [
        ("ReservationReleased", b"c7"),
        ("StockReserved", b"c8"),
        ("StockAdjusted", b"tea"),
    ]
    lost = "reservations WHERE state = 'failed' AND loss IS NOT NULL AND due_at <= now()"
    assert await inventory.count(lost) == 4
    assert await inventory.count(f"{lost} AND cart_id IN ('c4', 'c5', 'c6', 'c8')") == 4
    assert await inventory.on_hand("tea") == await inventory.count("reservations WHERE state = 'held'") == 4


async def test_a_deadline_that_falls_over_is_put_off_unless_another_input_moves_it(
    inventory: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def free(reservation: Reservation, *_: object) -> None:
        raise ZeroDivisionError("a bug")

    epochs, processor = await inventory.own("a"), inventory.processor()
    partition = inventory.partition_of(CHECKOUT.partition(".")[0])
    stock = [received(item.sku, f"m{n}", inventory.partition_of(item.sku), 100) for n, item in enumerate(ITEMS)]
    await processor.process([*stock, heard(a(CheckoutStarted), partition)], epochs)
    monkeypatch.setattr(Reservation, "free", free)
    due = Deliver(partition, reactions.timers[Reservation], TimerFired(CHECKOUT))
    confirmed = heard(a(CheckoutConfirmed), partition)
    for items, wanted in (([due], RETRY_AFTER), ([due, confirmed], timedelta(seconds=inventory.settings.extension_seconds))):
        await inventory.run_out(CHECKOUT)
        committed = await processor.process(items, epochs)
        assert DEAD_LETTERS in {row.record.topic for row in committed.rows}
        assert timedelta() <= wanted - await inventory.time_left(CHECKOUT) < timedelta(minutes=1)
