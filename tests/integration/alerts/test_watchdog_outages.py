"""Outages of Kafka and of databases send notifications within a minute, without what is down."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import pytest_asyncio

from services.alerts.watchdog import condition_alerts
from tests.integration.alerts.conftest import Watching
from tests.support.away import away
from tests.support.cli import quadrille
from tests.support.stacks import ROOT, Stack
from tests.support.waiting import until

DATABASE = "The database of alerts does not answer"
MINUTE = 60.0


@pytest_asyncio.fixture(autouse=True)
async def calm(watching: Watching) -> None:
    """Wait until no alert is open."""

    async def nothing() -> bool:
        listed = await quadrille(watching.environment, "alerts", "list", "--json")
        return bool(listed.json["total"] == 0)

    await until(nothing, "the end of the outage before", MINUTE)
    watching.pager.told.clear()


@contextmanager
def frozen_broker(stack: Stack) -> Iterator[None]:
    """The broker does not answer, and its connections stay open."""
    if stack.kind != "embedded":
        pytest.skip("the broker is a process of somebody else's")
    noted = json.loads((ROOT / ".quadrille" / "tests" / "stack.json").read_text())
    pid = noted["children"]["kafka"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def database_away(watching: Watching, stack: Stack, service: str) -> AsyncIterator[None]:
    """A service loses its database. So do the tests, which reconnect after it."""
    async with away(stack, watching.settings.database_url(service)):
        yield
    for engine in (watching.alerts, watching.payment, watching.journal):
        await engine.dispose()


async def heard(watching: Watching, words: str, before: int = 0) -> None:
    """Wait for a notification."""

    async def told() -> bool:
        return len(watching.pager.about(words)) > before

    await until(told, words, MINUTE)


async def test_a_frozen_broker_is_reported_and_listed_without_kafka(watching: Watching, stack: Stack) -> None:
    with frozen_broker(stack):
        await heard(watching, "Kafka does not answer: no answer within 5 s")
        listed = await quadrille(watching.environment, "alerts", "list", "--json")
        assert [one["kind"] for one in listed.json["alerts"]] == ["kafka_away"]
    await watching.closed(condition_alerts.OUTAGE, "kafka")


async def test_without_alerts_own_database_notifications_are_sent_directly_and_once(watching: Watching, stack: Stack) -> None:
    past = await watching.past(condition_alerts.SERVICE, "payment")  # it may have been slow while the broker was frozen
    before = len(watching.pager.about("payment does not answer"))
    async with database_away(watching, stack, "alerts"):
        await heard(watching, DATABASE)
        await asyncio.to_thread(watching.running["payment"].stop)
        await heard(watching, "payment does not answer", before)
    await watching.closed(condition_alerts.OUTAGE, "database")
    await watching.opened(condition_alerts.SERVICE, "payment")
    await asyncio.to_thread(watching.restart, "payment")
    await watching.closed(condition_alerts.SERVICE, "payment", past)


async def test_a_service_that_answers_but_is_not_ready(watching: Watching, stack: Stack) -> None:
    past = await watching.past(condition_alerts.UNREADY, "payment")  # it may have taken long to be ready in the tests before
    async with database_away(watching, stack, "payment"):
        opened = await watching.opened(condition_alerts.UNREADY, "payment")
        assert "payment is not ready: " in opened.title
    await watching.closed(condition_alerts.UNREADY, "payment", past)


async def test_alerts_starting_without_its_database_reports_that(watching: Watching, stack: Stack) -> None:
    past, before = await watching.past(condition_alerts.OUTAGE, "database"), len(watching.pager.about(DATABASE))
    await asyncio.to_thread(watching.running["alerts"].stop)
    async with database_away(watching, stack, "alerts"):
        await asyncio.to_thread(watching.start, "alerts")
        await heard(watching, DATABASE, before)
    await watching.closed(condition_alerts.OUTAGE, "database", past)
