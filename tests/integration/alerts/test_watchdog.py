"""The watchdog on real Kafka and PostgreSQL: each condition opens one alert, sends one notification, and closes the alert."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from sqlalchemy import text

from devstack.demo.shop import unique
from services.alerts.failures import AUTHORIZATION, GATEWAY_ALERT, RETRIES
from services.alerts.views import NotFoundError, alert
from services.alerts.watchdog import checkout_alerts, condition_alerts
from services.alerts.watchdog.checkouts import NOTIFIED_SINGLY
from shared.contract.cart import CartReopened, CheckoutCompleted, CheckoutStarted
from shared.contract.inventory import StockCommitted
from shared.contract.message import Message
from shared.contract.order import OrderCancelled, OrderConfirmed, OrderCreated, OrderRejected, TotalsCalculated
from shared.contract.payment import PaymentDeclined, RetriesNearlyExhausted
from shared.contract.values import PaymentMethod, Totals
from shared.runtime import kafka
from shared.runtime.records import pack
from tests.integration.alerts.conftest import Watching
from tests.support.facts import a
from tests.support.topics import raw_producer, transactional_producer
from tests.support.waiting import until

TOTALS = Totals(currency="EUR", lines=(), subtotal=1490, discount=0, shipping=0, tax=0, tax_included=True, total=1490)
LATER = datetime(2027, 1, 1, tzinfo=UTC)


def checkout() -> tuple[str, dict[str, str]]:
    """The id of a new checkout, and the names its events carry."""
    cart_id = unique("cart")
    return f"{cart_id}.1", {"cart_id": cart_id, "checkout_id": f"{cart_id}.1"}


def totals(names: dict[str, str], token: str = "tok_approve") -> TotalsCalculated:
    """Make payment authorize."""
    method = PaymentMethod(kind="card", token=token)
    return TotalsCalculated(**names, customer_id="k", totals=TOTALS, payment_method=method)


def rejected(names: dict[str, str]) -> tuple[Message, Message]:
    """The events of a rejected order."""
    return OrderRejected(**names, reasons=()), CartReopened(**names, reasons=(), shortages=())


async def test_a_stuck_checkout(watching: Watching) -> None:
    checkout_id, names = checkout()
    await watching.publish(totals(names))  # payment answers, and nobody makes an order of it
    alert = await watching.opened(checkout_alerts.STUCK, checkout_id)
    assert (alert.kind, alert.service, alert.checkout_id) == ("stuck", "order", checkout_id)
    assert "for the order to be created" in alert.title
    await watching.publish(*rejected(names))
    await watching.closed(checkout_alerts.STUCK, checkout_id)


async def test_the_alert_of_a_stuck_checkout_stays_while_the_journal_is_down(watching: Watching) -> None:
    checkout_id, names = checkout()
    await watching.publish(totals(names))
    await watching.opened(checkout_alerts.STUCK, checkout_id)
    await asyncio.to_thread(watching.running["journal"].stop)
    down = await watching.opened(condition_alerts.SERVICE, "journal")
    assert "no alert opens for one that gets stuck" in down.text
    await watching.publish(*rejected(names))
    assert await watching.alert(checkout_alerts.STUCK, checkout_id)
    await asyncio.to_thread(watching.restart, "journal")
    await watching.closed(checkout_alerts.STUCK, checkout_id)
    await watching.closed(condition_alerts.SERVICE, "journal")


async def test_an_authorization_that_expires_soon(watching: Watching) -> None:
    checkout_id, names = checkout()
    await watching.publish(totals(names))
    alert = await watching.opened(AUTHORIZATION, checkout_id)
    assert alert.severity == "critical"
    assert "14.90 EUR" in alert.title
    await watching.publish(*rejected(names))  # payment gives the money back
    await watching.closed(AUTHORIZATION, checkout_id)


async def test_a_payment_operation_near_its_last_attempt(watching: Watching) -> None:
    checkout_id, names = checkout()
    what = {"operation": "authorize", "code": "unavailable", "reason": "HTTP 503"}
    await watching.publish(a(RetriesNearlyExhausted, **names, **what, attempts=9, allowed=10, currency="EUR", amount=1490))
    alert = await watching.opened(RETRIES, checkout_id)
    assert alert.title == f"The authorization of checkout {checkout_id} (14.90 EUR) keeps failing: 1 attempt left"
    await watching.publish(a(PaymentDeclined, **names))
    await watching.closed(RETRIES, checkout_id)


@contextlib.asynccontextmanager
async def trouble(watching: Watching, status: int) -> AsyncIterator[None]:
    """The gateway answers every call with this status."""
    url, key = watching.settings.payment_gateway()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}, raise_for_status=True) as session:
        await session.post(f"{url}/admin/trouble", json={"status": status, "seconds": 60})
        try:
            yield
        finally:
            await session.post(f"{url}/admin/trouble", json={"status": status, "seconds": 0})


async def test_a_failing_gateway_is_one_alert_and_cancels_no_order(watching: Watching) -> None:
    """Its key is revoked for a while, before three orders are captured."""
    several = [checkout()[1] for _ in range(3)]
    ids = [names["checkout_id"] for names in several]

    async def payments() -> set[str]:
        async with watching.payment.connect() as connection:
            wanted = {"ids": ids}
            return set(
                (await connection.execute(text("SELECT state FROM payments WHERE checkout_id = ANY(:ids)"), wanted)).scalars()
            )

    async def are(state: str) -> bool:
        return await payments() == {state}

    async def state() -> str | None:
        try:
            return (await alert(watching.alerts, GATEWAY_ALERT)).state
        except NotFoundError:
            return None

    async def open_() -> bool:
        return await state() == "open"

    async def over() -> bool:
        return await state() == "resolved"

    await watching.publish(*(totals(names) for names in several))
    await until(lambda: are("authorized"), "the holds")
    async with trouble(watching, 401):
        await watching.publish(*(a(OrderCreated, **names) for names in several))
        await until(open_, "the alert of the gateway")
        assert await payments() == {"capturing"}
    await until(lambda: are("captured"), "the captures")
    await until(over, "the end of the alert")
    told = await alert(watching.alerts, GATEWAY_ALERT)
    assert (told.times_seen, [action.by for action in told.actions]) == (1, ["payment"])
    await watching.publish(*(a(OrderCancelled, **names) for names in several))
    await until(lambda: are("refunded"), "the refunds")

    async def nothing_is_stuck() -> bool:
        return not any([await watching.alert(checkout_alerts.STUCK, checkout_id) for checkout_id in ids])

    await until(nothing_is_stuck, "the end of what nobody confirmed")


async def test_a_cleanup_that_keeps_failing(watching: Watching) -> None:
    checkout_id, names = checkout()
    confirmed = OrderConfirmed(**names, order_number="Q-1", payment="captured", currency="EUR", total=1490)
    await watching.publish(confirmed, StockCommitted(**names, items=()), ago=5)
    alert = await watching.opened(checkout_alerts.STUCK, checkout_id)
    assert (alert.kind, alert.severity, alert.service) == ("cleanup_failing", "warning", "cart")
    await watching.publish(CheckoutCompleted(**names, order_number="Q-1"))
    await watching.closed(checkout_alerts.STUCK, checkout_id)


async def test_a_checkout_that_moves_opens_nothing(watching: Watching) -> None:
    (_, moves), (stuck, stands) = checkout(), checkout()
    await watching.publish(totals(moves), *rejected(moves))
    await watching.publish(
        *rejected(stands)[:1], CheckoutStarted(**stands, previous_checkout_id=None, items=(), expires_at=LATER)
    )
    await watching.opened(checkout_alerts.STUCK, stuck)
    assert await watching.alert(checkout_alerts.STUCK, moves["checkout_id"]) is None
    await watching.publish(rejected(stands)[1])
    await watching.closed(checkout_alerts.STUCK, stuck)


async def test_of_very_many_stuck_checkouts_only_some_send_notifications(watching: Watching) -> None:
    async def others_are_over() -> bool:
        async with watching.journal.connect() as connection:
            return not (await connection.execute(text("SELECT count(*) FROM checkouts WHERE in_progress"))).scalar_one()

    await until(others_are_over, "the end of the checkouts of the tests before")
    stories = [checkout()[1] for _ in range(NOTIFIED_SINGLY + 5)]
    await watching.publish(*(totals(names) for names in stories))
    await watching.opened(checkout_alerts.MANY_STUCK, "all")

    async def all_have_an_alert() -> bool:
        return all([await watching.alert(checkout_alerts.STUCK, names["checkout_id"]) for names in stories])

    await until(all_have_an_alert, "an alert for each")

    async def told_of_some() -> bool:
        told = sum(bool(watching.pager.about(f"Checkout {names['checkout_id']} has waited")) for names in stories)
        assert told <= NOTIFIED_SINGLY
        return told == NOTIFIED_SINGLY

    await until(told_of_some, "the notifications")
    await watching.publish(*(event for names in stories for event in rejected(names)))
    await watching.closed(checkout_alerts.MANY_STUCK, "all")


@contextlib.asynccontextmanager
async def member(watching: Watching, group: str) -> AsyncIterator[Any]:
    """A member of one of our groups, that reads inventory's commands and commits nothing by itself."""
    consumer = kafka.new_consumer(watching.settings, group, "tests")
    consumer.subscribe([watching.settings.topic("inventory.commands")])
    await kafka.start(consumer)
    while not consumer.assignment():
        await consumer.getmany(timeout_ms=50)
    yield consumer
    await kafka.stop(consumer)


async def test_a_group_that_stalls(watching: Watching) -> None:
    group, place = watching.settings.topic("quadrille.tests"), TopicPartition(watching.settings.topic("inventory.commands"), 0)
    async with raw_producer(watching.settings) as producer:
        for _ in range(3):
            await producer.send_and_wait(place.topic, b"x", partition=0)
    async with member(watching, "quadrille.tests") as consumer:
        await consumer.commit({place: 1})
        alert = await watching.opened(condition_alerts.GROUP, group)
        assert alert.kind == "group_stall"
        assert "2 records behind" in alert.title
        await consumer.commit({place: 3})
        await watching.closed(condition_alerts.GROUP, group)


async def test_a_group_that_stopped_while_alerts_was_restarted(watching: Watching) -> None:
    group, place = watching.settings.topic("quadrille.late"), TopicPartition(watching.settings.topic("order.commands"), 0)
    async with raw_producer(watching.settings) as producer:
        await producer.send_and_wait(place.topic, b"x", partition=0)
    consumer = kafka.new_consumer(watching.settings, "quadrille.late", "tests")
    consumer.assign([place])
    await kafka.start(consumer)
    await consumer.commit({place: 0})
    alert = await watching.opened(condition_alerts.GROUP, group)
    assert alert.kind == "group_stop"
    await asyncio.to_thread(watching.running["alerts"].stop)
    await consumer.commit({place: 1})
    await kafka.stop(consumer)
    await asyncio.to_thread(watching.restart, "alerts")
    await watching.closed(condition_alerts.GROUP, group)


async def test_an_outbox_that_grows(watching: Watching) -> None:
    late = NewTopic(watching.settings.topic("late.events"), watching.settings.partitions, 1)
    insert = text("INSERT INTO outbox (home, partition, topic, value, headers) VALUES (0, 0, 'late.events', 'x', :headers)")
    async with watching.payment.begin() as connection:
        await connection.execute(insert, {"headers": pack([("ce_time", b"2026-01-01T00:00:00Z")])})
    alert = await watching.opened(condition_alerts.OUTBOX, "payment")  # its topic is missing, so payment cannot publish it
    assert "1 record waits in its outbox" in alert.title
    admin = AIOKafkaAdminClient(**watching.settings.kafka_client())
    await kafka.start(admin)
    await admin.create_topics([late])
    await admin.close()
    await watching.closed(condition_alerts.OUTBOX, "payment")


async def test_a_record_that_the_broker_rejects(watching: Watching) -> None:
    insert = text(
        "INSERT INTO outbox (home, partition, topic, value, headers) VALUES (0, 0, 'payment.events', :value, :headers)"
    )
    async with watching.payment.begin() as connection:
        await connection.execute(insert, {"value": random.Random(1).randbytes(3_000_000), "headers": pack([])})
    alert = await watching.opened(condition_alerts.QUARANTINED, "payment")
    assert alert.title == "Kafka rejects 1 committed record of payment"
    async with watching.payment.begin() as connection:
        await connection.execute(text("DELETE FROM outbox WHERE quarantined IS NOT NULL"))
    await watching.closed(condition_alerts.QUARANTINED, "payment")


async def test_a_transaction_that_stays_open(watching: Watching) -> None:
    topic = watching.settings.topic("payment.commands")
    async with transactional_producer(watching.settings) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"{}", b"held back", partition=0)
        opened = await watching.opened(condition_alerts.HELD_BACK, f"{topic}/0")
        assert f"transactional id '{producer._txn_manager.transactional_id}'" in opened.text
        await producer.abort_transaction()
    await watching.closed(condition_alerts.HELD_BACK, f"{topic}/0")


async def test_a_service_that_is_down(watching: Watching) -> None:
    await asyncio.to_thread(watching.running["payment"].stop)
    alert = await watching.opened(condition_alerts.SERVICE, "payment")
    assert "payment does not answer" in alert.title
    await asyncio.to_thread(watching.restart, "payment")
    await watching.closed(condition_alerts.SERVICE, "payment")
