"""Notifications while some targets are dead or slow, on a real database with real targets."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from devstack.ports import free_port
from services.alerts import targets
from services.alerts.model import Failure
from services.alerts.notifier import Notifier
from services.alerts.reports import Reports
from services.alerts.store import DeadLetterStore
from services.alerts.targets import parse_targets
from services.alerts.views import open_alerts
from services.alerts.watchdog.targets import TargetMonitor
from shared.runtime.postgres.database import connect
from shared.settings import Settings, load
from tests.support import system, waiting
from tests.support.alerts import dead_letter_store
from tests.support.pager import listening
from tests.support.stacks import Stack

FLOOD = 500
until = partial(waiting.until, seconds=60)
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr':DeprecationWarning")


@pytest.fixture(scope="module")
def settings(stack: Stack) -> Settings:
    """The settings of a database of our own."""
    return load(system.prepare(stack, QUADRILLE_WATCH_SECONDS="0.1"))


@pytest_asyncio.fixture
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The database of alerts, empty."""
    made = connect(settings.database_url("alerts"))
    async with made.begin() as connection:
        await connection.execute(text("TRUNCATE alerts, notifications"))
    yield made
    await made.dispose()


def failure(number: int, kind: str = "service_down", severity: Any = "critical", service: str = "inventory") -> Failure:
    """A failure."""
    return Failure(f"{kind}:{number}", kind, severity, f"{kind} {number}.", "Mend it.", service)


@contextlib.asynccontextmanager
async def telling(settings: Settings, engine: AsyncEngine, *addresses: str) -> AsyncIterator[DeadLetterStore]:
    """Run notifications and reports with these targets."""
    notifier = Notifier(engine, parse_targets(",".join(addresses)))
    async with dead_letter_store(settings.database_url("alerts"), notifier.wake) as store:
        reports = Reports(store, notifier)
        work = [asyncio.create_task(one.run()) for one in (notifier, reports, TargetMonitor(settings, reports, notifier))]
        try:
            yield store
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)


async def test_a_dead_target_repeats_nothing_to_the_others_and_is_reported(settings: Settings, engine: AsyncEngine) -> None:
    async with listening() as pager, telling(settings, engine, f"json://127.0.0.1:{free_port()}", pager.target) as store:
        await store.report(failure(1))
        await until(lambda: pager.about("Alert target 1 (json) accepts no notifications"))
        await store.report(failure(2))
        await until(lambda: pager.about("service_down 2"))
        async with engine.begin() as connection:  # the dead one is tried again and again
            await connection.execute(text("UPDATE notifications SET due_at = now() WHERE attempts > 0"))
        retried = text("SELECT min(attempts) FROM notifications HAVING min(attempts) >= 2")

        async def tried_again() -> Any:
            async with engine.connect() as connection:
                return (await connection.execute(retried)).scalar()

        await until(tried_again)
        assert [len(pager.about(f"service_down {number}")) for number in (1, 2)] == [1, 1]
        (told,) = [alert for alert in await open_alerts(engine) if alert.kind == "alert_target_failing"]
        assert told.severity == "critical"
        assert len(pager.told) == 3


async def test_a_recovered_target_receives_what_is_still_open_and_its_alert_closes(
    settings: Settings, engine: AsyncEngine
) -> None:
    async with listening() as pager, listening() as other, telling(settings, engine, pager.target, other.target) as store:
        pager.refusals = 10**6
        await store.report(failure(1))
        await store.report(failure(2))
        await until(lambda: other.about("accepts no notifications"))
        await store.resolve("service_down:2", "watchdog", "it answers")
        pager.refusals = 0
        await until(lambda: pager.about("service_down 1"))

        async def closed() -> bool:
            return [alert.kind for alert in await open_alerts(engine)] == ["service_down"]

        await until(closed)
        assert not pager.about("service_down 2")


async def test_a_hanging_target_delays_no_other(
    settings: Settings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "SEND_SECONDS", 0.5)
    async with listening() as pager, listening() as hanging:
        hanging.seconds = 5.0
        async with telling(settings, engine, hanging.target, pager.target) as store:
            started = time.monotonic()
            for number in range(20):
                await store.report(failure(number))
            await until(lambda: len(pager.about("service_down")) == 20)
            assert time.monotonic() - started < 20 * 0.5, "as they came"
            await until(lambda: pager.about("Alert target 1 (json) accepts no notifications"))


async def test_five_hundred_alerts_of_money_and_a_slow_target_do_not_delay_another_kind(
    settings: Settings, engine: AsyncEngine
) -> None:
    async with listening() as pager, telling(settings, engine, pager.target) as store:
        pager.seconds = 0.1
        for number in range(FLOOD):
            kind, service = ("void_failed", "payment") if number % 2 else ("unhandled", "cart")
            await store.report(failure(number, kind, service=service))
        before = len(pager.told)
        await store.report(failure(FLOOD))
        await until(lambda: pager.about("service_down"))
        assert len(pager.told) - before <= 5, "it had its turn"
        await until(lambda: sum(_stands_for(title) for _, title in pager.told if "void_failed" in title) == FLOOD // 2)
        assert len(pager.about("void_failed")) < FLOOD // 4, "a flood is summarised"


def _stands_for(title: str) -> int:
    """The number of alerts in a notification."""
    return 1 + int(title.split(", and ")[1].split()[0]) if ", and " in title else 1
