"""Redrives of dead letters on a real broker, with inventory as the service that fails and is fixed."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest_asyncio
from aiokafka import TopicPartition
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from devstack.demo.shop import unique
from services.alerts import views
from services.alerts.model import Alert, DeadLetter
from services.alerts.views import Filter
from shared.contract.dead_letter import ERRORS
from shared.contract.envelope import Envelope, write
from shared.contract.inventory import ReceiveStock
from shared.contract.message import Message
from shared.contract.order import OrderRejected
from shared.contract.redrive import PREFIX
from shared.contract.services import SERVICES
from shared.contract.topics import DEAD_LETTERS, redrive_topic
from shared.runtime import kafka
from shared.runtime.postgres.database import connect
from shared.runtime.records import unpack
from shared.settings import Settings, load
from tests.support import services, system
from tests.support.cli import Ran, quadrille
from tests.support.clock import NOW
from tests.support.stacks import Stack
from tests.support.topics import raw_producer, records
from tests.support.waiting import until

COMMANDS, REDRIVES = "inventory.commands", redrive_topic("inventory")
Header = tuple[str, bytes | None]


@dataclass
class Floor:
    """Alerts and inventory at work, on topics and databases of their own."""

    environment: dict[str, str]
    settings: Settings
    alerts: AsyncEngine
    inventory: AsyncEngine

    async def publish(
        self, value: bytes | None, headers: Sequence[Header] = (), *, key: bytes = b"key", topic: str = COMMANDS
    ) -> None:
        """Publish anything at all."""
        async with raw_producer(self.settings) as producer:
            name = self.settings.topic(topic)
            await producer.send_and_wait(name, value, key, headers=list(headers), partition=self.partition(key.decode()))

    async def send(self, message: Message, message_id: str, *more: Header) -> None:
        """Publish a message, an event as its service does."""
        service = message.topic.removesuffix(".events")
        source = f"/quadrille/{service}" if service in SERVICES else "/tests"
        envelope = Envelope(message_id, source, message.type_name(), message.key, message_id, traceparent="stale")
        headers, value = write(envelope, message, NOW)
        await self.publish(value, [*headers, *more], key=message.key.encode(), topic=message.topic)

    def partition(self, key: str) -> int:
        """The partition of a key."""
        return kafka.partition_of(key, self.settings.partitions)

    async def dead_letter(self, key: str, *, seen: int = 1, state: str | None = None) -> DeadLetter:
        """The one dead letter with this key, once it failed so often and is in this state."""

        async def found() -> DeadLetter | None:
            dead_letters = await self._dead_letters(key)
            assert len(dead_letters) <= 1, "one record, one dead letter"
            return next((one for one in dead_letters if one.seen >= seen and state in (None, one.state)), None)

        dead_letter: DeadLetter = await until(found, f"the dead letter of {key}")
        return dead_letter

    async def _dead_letters(self, key: str) -> list[DeadLetter]:
        query = text("SELECT dead_letter_id FROM dead_records WHERE key = :key")
        async with self.alerts.connect() as connection:
            ids = (await connection.execute(query, {"key": key.encode()})).scalars().all()
        return [await views.dead_letter(self.alerts, i) for i in ids]

    async def alert(self, dead_letter: DeadLetter) -> Alert:
        """Its alert."""
        return await views.alert(self.alerts, dead_letter.alert_id)

    async def redriven(self, key: str) -> list[Any]:
        """The records with this key on inventory's redrive topic."""
        return [r for r in await records(self.settings, REDRIVES, 0) if r.key == key.encode()]

    async def ends(self, *topics: str) -> dict[str, int]:
        """How many records were ever written to these topics."""
        consumer = kafka.new_consumer(self.settings, None, "tests")
        await kafka.start(consumer)
        try:
            found = {}
            for topic in topics:
                places = [TopicPartition(self.settings.topic(topic), p) for p in range(self.settings.partitions)]
                found[topic] = sum((await consumer.end_offsets(places)).values())
            return found
        finally:
            await kafka.stop(consumer)

    async def on_hand(self, sku: str) -> int:
        """The units inventory has."""
        async with self.inventory.connect() as connection:
            found = await connection.execute(text("SELECT on_hand FROM stocks WHERE sku = :sku"), {"sku": sku})
            return int(found.scalar() or 0)

    async def until_on_hand(self, sku: str, wanted: int) -> None:
        """Wait for it."""
        await until(lambda: self.on_hand(sku), good=lambda found: found == wanted)

    async def run(self, *arguments: str) -> Ran:
        """Run ``quadrille``."""
        return await quadrille(self.environment, *arguments)

    async def breaks(self, table: str, column: str, value: str) -> "Poison":
        """From now on inventory cannot commit what has this value, until it is mended."""
        poison = Poison(self.inventory, table, f"poison_{unique('p').replace('-', '_')}")
        await poison.execute(f"ADD CONSTRAINT {poison.name} CHECK ({column} <> '{value}')")
        return poison


@dataclass
class Poison:
    """A bug of inventory that affects some messages."""

    engine: AsyncEngine
    table: str
    name: str

    async def execute(self, change: str) -> None:
        """Change the table."""
        async with self.engine.begin() as connection:
            await connection.execute(text(f"ALTER TABLE {self.table} {change}"))

    async def mend(self) -> None:
        """The fault is gone."""
        await self.execute(f"DROP CONSTRAINT {self.name}")


@contextmanager
def lasting(least: float) -> Iterator[None]:
    """The block takes at least this many seconds."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started >= least


@pytest_asyncio.fixture(scope="module")
async def floor(stack: Stack, tmp_path_factory: Any) -> AsyncIterator[Floor]:
    """Both services, running."""
    environment = await asyncio.to_thread(lambda: system.prepare(stack))
    settings = load(environment)
    made = Floor(environment, settings, connect(settings.database_url("alerts")), connect(settings.database_url("inventory")))
    with services.running(("alerts", "inventory"), environment, tmp_path_factory.mktemp("redrives")):
        yield made
    await made.alerts.dispose()
    await made.inventory.dispose()


async def test_an_unreadable_record_keeps_its_bytes_comes_back_and_is_parked_the_third_time(floor: Floor) -> None:
    key = unique("garbage")
    value = b"\xff\x00\xfe not a command"
    headers: list[Header] = [("a", b"\x00\xff"), ("traceparent", b"stale"), ("b", None), ("a", b""), ("ü", "ü".encode())]
    await floor.publish(value, headers, key=key.encode())
    dead_letter = await floor.dead_letter(key)
    kept = await views.record(floor.alerts, dead_letter.dead_letter_id)
    assert (kept.value, unpack(kept.headers)) == (value, headers)

    for times in (1, 2, 3):
        ran = await floor.run("dlq", "redrive", dead_letter.dead_letter_id[:10], "--why", "try", "--by", "ada", "--json")
        assert ran.code == 1, ran
        assert ran.json["outcomes"] == {"parked" if times == 3 else "came back": 1}
        dead_letter = await floor.dead_letter(key, seen=1 + times)
        assert (dead_letter.replays, dead_letter.returned) == (times, times)
    assert dead_letter.state == "parked"
    assert [action.what for action in dead_letter.actions] == ["redriven", "came back"] * 3

    redriven = await floor.redriven(key)
    assert len(redriven) == 3
    for record in redriven:
        assert (record.value, record.partition) == (value, floor.partition(key))
        original = [(name, told) for name, told in record.headers if name != "traceparent" and not name.startswith(PREFIX)]
        assert original == [(name, told) for name, told in headers if name != "traceparent"]
        (trace,) = [told for name, told in record.headers if name == "traceparent"]
        assert trace != b"stale"
    dead = [r for r in await records(floor.settings, DEAD_LETTERS, 4) if r.key == key.encode()]
    assert len(dead) == 4
    assert len({len(record.headers) for record in dead}) == 1, "headers do not grow"
    places = {(dict(r.headers)[f"{ERRORS}topic"], dict(r.headers)[f"{ERRORS}offset"]) for r in dead}
    assert len(places) == 1, "each says where the record first stood"

    refused = await floor.run("dlq", "redrive", dead_letter.dead_letter_id, "--why", "again")
    assert refused.code == 1
    assert b"parked" in refused.out
    alert = await floor.alert(dead_letter)
    assert (alert.times_seen, alert.dead_letters, alert.state) == (4, [dead_letter.dead_letter_id], "open")


async def test_a_redrive_reaches_the_service_that_failed_and_nobody_else_and_closes_when_it_is_handled(floor: Floor) -> None:
    checkout_id = unique("checkout")
    poison = await floor.breaks("reservations", "checkout_id", checkout_id)
    event = OrderRejected(cart_id=unique("cart"), checkout_id=checkout_id, reasons=())
    message_id = unique("event")
    await floor.send(event, message_id)
    dead_letter = await floor.dead_letter(event.cart_id)
    assert (dead_letter.stage, dead_letter.topic, dead_letter.message_id) == (
        "release_or_return_rejected",
        "order.events",
        message_id,
    )
    others = ("order.events", "cart.redrive", "payment.redrive", "order.redrive", "alerts.redrive")
    before = await floor.ends(*others)

    await poison.mend()
    ran = await floor.run("dlq", "redrive", dead_letter.dead_letter_id, "--why", "mended", "--by", "ada", "--json")
    assert ran.code == 0, ran
    assert ran.json["outcomes"] == {"handled": 1}
    assert await floor.ends(*others) == before
    (record,) = await floor.redriven(event.cart_id)
    assert [told for name, told in record.headers if name == "ce_id"] == [message_id.encode()]
    dead_letter = await floor.dead_letter(event.cart_id, state="resolved")
    assert [(action.what, action.by) for action in dead_letter.actions] == [("redriven", "ada"), ("resolved", "inventory")]
    assert (await floor.alert(dead_letter)).state == "resolved"
    async with floor.inventory.connect() as connection:
        query = text("SELECT state FROM reservations WHERE checkout_id = :id")
        assert (await connection.execute(query, {"id": checkout_id})).scalar() == "released"

    again = await floor.run("dlq", "redrive", dead_letter.dead_letter_id, "--why", "again")
    assert again.code == 1
    assert b"already resolved" in again.out


async def test_a_message_handled_meanwhile_is_not_handled_again(floor: Floor) -> None:
    sku, message_id = unique("sku"), unique("command")
    poison = await floor.breaks("stocks", "sku", sku)
    command = ReceiveStock(sku=sku, quantity=5)
    await floor.send(command, message_id)
    dead_letter = await floor.dead_letter(sku)
    await poison.mend()
    await floor.send(command, message_id)
    await floor.until_on_hand(sku, 5)
    ran = await floor.run("dlq", "redrive", dead_letter.dead_letter_id, "--why", "mended")
    assert ran.code == 0, ran
    assert (await floor.dead_letter(sku, state="resolved")).returned == 0
    assert await floor.on_hand(sku) == 5


async def test_filters_a_limit_and_a_rate_and_first_a_dry_run(floor: Floor) -> None:
    words = unique("words").replace("-", "").upper()
    keys = [unique("many") for _ in range(8)]
    for key in keys:
        await floor.publish(f'{{"type": "{words}", "id": "1", "source": "/tests"}}'.encode(), key=key.encode())
    dead_letters = [await floor.dead_letter(key) for key in keys]
    chosen = ("dlq", "redrive", "--reason", words.lower(), "--service", "inventory", "--since", "1h", "--topic", COMMANDS)
    before = await floor.ends(REDRIVES, "alerts.commands")

    dry = await floor.run(*chosen, "--dry-run", "--max", "5", "--why", "try", "--json")
    assert dry.code == 0, dry
    assert dry.json["outcomes"] == {"would be redriven": 5}
    assert await floor.ends(REDRIVES, "alerts.commands") == before
    with lasting(4 / 4):
        ran = await floor.run(*chosen, "--max", "5", "--rate", "4", "--why", "try", "--json")
    assert ran.json["outcomes"] == {"came back": 5}, ran
    first = {one["dead_letter_id"] for one in dry.json["dead_letters"]}
    assert {one["dead_letter_id"] for one in ran.json["dead_letters"]} == first
    dead_letters = [await floor.dead_letter(key) for key in keys]
    assert {dead_letter.dead_letter_id for dead_letter in dead_letters if dead_letter.replays} == first

    listed = await floor.run("dlq", "list", "--reason", words, "--json")
    assert listed.json["total"] == 8
    assert [reason["dead_letters"] for reason in listed.json["reasons"]] == [8], "one cause, however the records differ"
    for wrong in (("--all", dead_letters[0].dead_letter_id), (), ("--since", "yesterday")):
        assert (await floor.run("dlq", "redrive", "--why", "try", *wrong)).code == 2


async def test_parking_and_resolving_are_recorded(floor: Floor) -> None:
    keys = [unique("decided") for _ in range(2)]
    for key in keys:
        await floor.publish(b"garbage", key=key.encode())
    ids = [(await floor.dead_letter(key)).dead_letter_id for key in keys]
    parked = await floor.run("dlq", "park", *ids, "--why", "monday", "--by", "ada")
    assert parked.code == 0, parked
    assert (await floor.alert(await floor.dead_letter(keys[0]))).state == "acknowledged"
    assert (await floor.run("dlq", "park", ids[0], "--why", "monday")).code == 1
    listed = await floor.run("dlq", "list", "--is", "parked", "--json")
    assert set(ids) <= {dead_letter["dead_letter_id"] for dead_letter in listed.json["dead_letters"]}

    assert (await floor.run("dlq", "resolve", ids[0], "--why", "of a test", "--by", "bob")).code == 0
    assert (await floor.run("alerts", "resolve", f"dead:{ids[1]}", "--why", "of a test", "--by", "bob")).code == 0
    for key in keys:
        dead_letter = await floor.dead_letter(key, state="resolved")
        assert (await floor.alert(dead_letter)).state == "resolved"
        assert [(action.what, action.by, action.why) for action in dead_letter.actions] == [
            ("parked", "ada", "monday"),
            ("resolved", "bob", "of a test"),
        ]
    assert (await floor.run("dlq", "resolve", "zzz", "--why", "none")).code == 2
    refused = await floor.run("dlq", "resolve", ids[0], "--why", "twice", "--by", "not\ta name")
    assert refused.code == 2
    assert b"--by" in refused.err


async def test_five_megabytes_come_and_go_byte_for_byte(floor: Floor) -> None:
    key = unique("huge")
    value = b"\x00\xff" + b"x" * 5_000_000
    await floor.publish(value, key=key.encode())
    dead_letter = await floor.dead_letter(key)
    ran = await floor.run("dlq", "redrive", dead_letter.dead_letter_id, "--why", "try", "--json")
    assert ran.json["outcomes"] == {"came back": 1}, ran
    (record,) = await floor.redriven(key)
    assert record.value == value
    raw = await floor.run("dlq", "show", dead_letter.dead_letter_id, "--raw")
    assert raw.out == value
    shown = await floor.run("dlq", "show", dead_letter.dead_letter_id)
    assert b"more bytes" in shown.out


async def test_a_foreign_record_on_the_redrive_topic_is_an_ordinary_dead_letter(floor: Floor) -> None:
    key = unique("forged")
    await floor.publish(b"{}", [(f"{PREFIX}topic", b"inventory.commands")], key=key.encode(), topic=REDRIVES)
    dead_letter = await floor.dead_letter(key)
    assert (dead_letter.topic, dead_letter.stage) == (REDRIVES, "read")


async def test_decisions_are_published_as_events(floor: Floor) -> None:
    key = unique("told")
    await floor.publish(b"garbage", key=key.encode())
    dead_letter = await floor.dead_letter(key)
    await floor.run("dlq", "redrive", dead_letter.dead_letter_id, "--why", "try")
    await floor.run("dlq", "resolve", dead_letter.dead_letter_id, "--why", "garbage")
    of_dead_letter = (dead_letter.dead_letter_id.encode(), dead_letter.alert_id.encode())
    told = [r for r in await records(floor.settings, "alerts.events", 5) if r.key in of_dead_letter]
    kinds = [dict(r.headers)["ce_type"].decode().split(".")[1] for r in sorted(told, key=lambda r: r.timestamp)]
    assert sorted(kinds) == ["AlertOpened", "AlertResolved", "DeadLetterRedriven", "DeadLetterResolved", "DeadLetterReturned"]


async def test_nothing_stays_in_the_outbox(floor: Floor) -> None:
    async def is_empty() -> bool:
        async with floor.alerts.connect() as connection:
            return not (await connection.execute(text("SELECT count(*) FROM outbox"))).scalar()

    await until(is_empty, "an empty outbox")
    assert await views.dead_letters(floor.alerts, Filter(service="alerts"), 10) == []
