"""Every dead letter becomes an alert with a notification, whatever fails on the way."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest_asyncio
from aiokafka import TopicPartition
from sqlalchemy import text

from devstack.demo.shop import unique
from services.alerts.app import GROUP
from services.alerts.model import Alert
from services.alerts.views import open_alerts
from shared.contract.dead_letter import failure_headers
from shared.contract.envelope import Envelope, write
from shared.contract.payment import VoidFailed
from shared.contract.topics import DEAD_LETTERS
from shared.runtime import kafka
from shared.runtime.postgres.database import connect
from shared.settings import load
from tests.support import services, system
from tests.support.pager import Pager, listening
from tests.support.stacks import Stack
from tests.support.topics import raw_producer
from tests.support.waiting import until

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FLOOD = 500
"""Unreadable records that arrive together."""


class Alerting:
    """The alerts service on topics and a database of its own."""

    def __init__(self, environment: dict[str, str], logs: Path, pager: Pager) -> None:
        self.environment, self.logs, self.pager = environment, logs, pager
        self.settings = load(environment)
        self.engine = connect(self.settings.database_url("alerts"))

    async def open(self) -> list[Alert]:
        """The alerts that are open."""
        return await open_alerts(self.engine)

    async def void_failed(self, checkout_id: str, topics: tuple[str, ...] = (DEAD_LETTERS,)) -> None:
        """Publish a failed void as payment's relay would."""
        event = VoidFailed(
            cart_id="cart", checkout_id=checkout_id, amount=1490, currency="EUR", gateway_reference=checkout_id,
            authorization_id="pi_1", attempts=8, code="refused", reason="the bank said no",
        )  # fmt: skip
        headers, value = write(Envelope(unique("event"), "/quadrille/payment", event.type_name(), "cart", "c"), event, NOW)
        why = failure_headers("payment", "compensation", "payment.events", 0, -1, "VoidFailed", event.reason, NOW)
        async with raw_producer(self.settings) as producer:
            for topic in topics:
                more = why if topic == DEAD_LETTERS else []
                await producer.send_and_wait(self.settings.topic(topic), value, b"cart", headers=[*headers, *more], partition=0)


@pytest_asyncio.fixture(scope="module")
async def alerting(stack: Stack, tmp_path_factory: Any) -> AsyncIterator[Alerting]:
    """The service, running."""
    logs = tmp_path_factory.mktemp("alerts")
    async with listening() as pager:
        environment = await asyncio.to_thread(lambda: system.prepare(stack, QUADRILLE_ALERT_TARGETS=pager.target))
        with services.running(("alerts",), environment, logs):
            made = Alerting(environment, logs, pager)
            yield made
            await made.engine.dispose()


async def test_a_failed_void_sends_a_notification_within_two_seconds(alerting: Alerting) -> None:
    checkout_id = unique("c1")
    started = time.monotonic()
    await alerting.void_failed(checkout_id)
    heard = await until(lambda: alerting.pager.about(checkout_id), "the notification")
    assert heard[0] - started < 2
    (alert,) = [a for a in await alerting.open() if a.checkout_id == checkout_id]
    assert (alert.kind, alert.severity, alert.state) == ("void_failed", "critical", "open")
    assert "14.90 EUR" in alert.title


async def test_a_refused_notification_is_sent_again(alerting: Alerting) -> None:
    alerting.pager.refusals = 2
    checkout_id = unique("c4")
    await alerting.void_failed(checkout_id)
    await until(lambda: alerting.pager.about(checkout_id), "the notification after refusals")


async def test_of_several_processes_one_sends(alerting: Alerting, tmp_path: Path) -> None:
    checkouts = [unique("c7") for _ in range(8)]
    told = text(
        "SELECT count(*) FROM alerts AS a WHERE checkout_id = ANY(:checkouts) AND notify_at IS NULL"
        " AND NOT EXISTS (SELECT FROM notifications AS n WHERE n.alert_id = a.alert_id)"
    )

    async def all_told() -> bool:
        async with alerting.engine.connect() as connection:
            return (await connection.execute(told, {"checkouts": checkouts})).scalar() == len(checkouts)

    with services.running(("alerts",), alerting.environment, tmp_path):
        alerting.pager.seconds = 0.3
        for checkout_id in checkouts:
            await alerting.void_failed(checkout_id)
        await until(all_told, "the notifications")
        alerting.pager.seconds = 0.0
    assert [len(alerting.pager.about(checkout_id)) for checkout_id in checkouts] == [1] * len(checkouts)


async def test_a_flood_is_one_notification_and_money_does_not_wait_for_its_end(alerting: Alerting) -> None:
    checkout_id, before = unique("c6"), len(await alerting.open())
    async with raw_producer(alerting.settings) as producer:
        topic = alerting.settings.topic(DEAD_LETTERS)
        for n in range(FLOOD):
            await producer.send(topic, b"\xff%d" % n, None, headers=[("ce_id", b"\xfe")], partition=n % 6)
        await producer.flush()
    await alerting.void_failed(checkout_id, topics=("payment.events", DEAD_LETTERS))
    await until(lambda: alerting.pager.about(checkout_id), "the notification")

    async def all_kept() -> bool:
        return len(await alerting.open()) == before + FLOOD + 1

    await until(all_kept, "the alerts of the flood", seconds=60)
    (flood, *_) = await until(lambda: alerting.pager.about("more like it"), "the notification of the flood")
    assert alerting.pager.about(checkout_id)[0] - flood < 2, "money waits for no flood"
    assert len(alerting.pager.about("could not handle")) < FLOOD / 4


async def test_an_outage_of_the_database_loses_nothing(alerting: Alerting, stack: Stack) -> None:
    admin = connect(stack.admin_url)
    name = alerting.settings.database_url("alerts").rsplit("/", 1)[1]
    async with admin.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        await connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :n"), {"n": name})
        checkout_id = unique("c5")
        await alerting.void_failed(checkout_id)
        await until(lambda: "alerts cannot reach their database" in log_of(alerting), "the outage")
        await connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'))
    await admin.dispose()
    await until(lambda: alerting.pager.about(checkout_id), "the notification after the outage")


def log_of(alerting: Alerting) -> str:
    """The log of the service."""
    return "".join(log.read_text(errors="replace") for log in alerting.logs.glob("alerts-*.log"))


async def test_skipped_offsets_are_read_at_the_next_start(stack: Stack, tmp_path: Path) -> None:
    environment = await asyncio.to_thread(lambda: system.prepare(stack))
    passed_over = Alerting(environment, tmp_path, Pager())
    checkout_id = unique("c6")
    await passed_over.void_failed(checkout_id)
    consumer = kafka.new_consumer(passed_over.settings, GROUP, "tests")
    await kafka.start(consumer)
    tp = TopicPartition(passed_over.settings.topic(DEAD_LETTERS), 0)
    consumer.assign([tp])
    await consumer.commit({tp: 1})
    await kafka.stop(consumer)
    with services.running(("alerts",), environment, tmp_path):

        async def kept() -> bool:
            return any(a.checkout_id == checkout_id for a in await passed_over.open())

        await until(kept, "the alert of the offset passed over")
    await passed_over.engine.dispose()
