"""Alerts, journal and payment at work, for the tests of what the watchdog tells of."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from services.alerts.model import Alert
from services.alerts.views import NotFoundError, alert, open_alerts
from services.alerts.watchdog.identity import identity
from shared.contract.message import Message
from shared.runtime.postgres.database import connect
from shared.settings import load
from tests.support import services, system
from tests.support.pager import Pager, listening
from tests.support.services import Running
from tests.support.stacks import Stack
from tests.support.topics import publish
from tests.support.waiting import until


class Watching:
    """Alerts, journal and payment as processes on topics and databases of their own, with limits a test can wait for."""

    def __init__(self, environment: dict[str, str], running: dict[str, Running], pager: Pager) -> None:
        self.environment, self.running, self.pager = environment, running, pager
        self.settings = load(environment)
        self.alerts = connect(self.settings.database_url("alerts"))
        self.payment = connect(self.settings.database_url("payment"))
        self.journal = connect(self.settings.database_url("journal"))

    async def publish(self, *events: Message, ago: float = 0.0) -> None:
        """Publish events as the relays of their services would; ``ago``: seconds since they happened."""
        await publish(self.settings, *events, at=datetime.now(UTC) - timedelta(seconds=ago))

    async def alert(self, kind: str, subject: str) -> Alert | None:
        """The open alert of a condition, if there is one."""
        wanted = identity(kind, subject)
        return next((found for found in await open_alerts(self.alerts) if found.alert_id == wanted), None)

    async def opened(self, kind: str, subject: str) -> Alert:
        """The alert of a condition, once it is open and its notification was sent."""

        async def told() -> Alert | None:
            found = await self.alert(kind, subject)
            return found if found and self.pager.about(found.title) else None

        found: Alert = await until(told, f"the notification of {kind} of {subject}")
        return found

    async def past(self, kind: str, subject: str) -> list[str]:
        """The actions so far on the alert of a condition."""
        try:
            return [action.what for action in (await alert(self.alerts, identity(kind, subject))).actions]
        except NotFoundError:
            return []

    async def closed(self, kind: str, subject: str, past: Sequence[str] = ()) -> Alert:
        """The alert of a condition, once it is closed; fails if it opened, or was notified, more than once.

        ``past``: what was done about it before.
        """

        async def over() -> Alert | None:
            try:
                found = await alert(self.alerts, identity(kind, subject))
            except NotFoundError:
                return None
            return found if found.over and len(found.actions) > len(past) else None

        found: Alert = await until(over, f"the end of {kind} of {subject}")
        assert [action.what for action in found.actions] == [*past, "resolved"]
        assert 1 <= len(self.pager.about(found.title)) <= 1 + past.count("resolved")
        return found

    def start(self, name: str) -> None:
        """Start a stopped service at its former address, without waiting for its health."""
        old = self.running[name]
        self.running[name] = services.start(name, f"services.{name}", old.environment, old.log.parent, port=old.port)

    def restart(self, name: str) -> None:
        """Start a stopped service at its former address, and wait for its health."""
        self.start(name)
        self.running[name].wait_until_healthy()


@pytest_asyncio.fixture(scope="package")
async def watching(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watching]:
    """The three services, running."""
    limits = {
        "QUADRILLE_WATCH_SECONDS": "0.2",
        "QUADRILLE_OUTBOX_SECONDS": "5",
        "QUADRILLE_STEP_SECONDS": "1",
        "QUADRILLE_HOLD_WARNING_SECONDS": "1",
        "QUADRILLE_PAYMENT_ATTEMPTS": "4",
        "QUADRILLE_PAYMENT_BACKOFF_SECONDS": "0.1",
        "QUADRILLE_EXTENSION_SECONDS": "4",
    }
    logs = tmp_path_factory.mktemp("watchdog")
    async with listening() as pager:
        limits["QUADRILLE_ALERT_TARGETS"] = pager.target
        with services.sandbox(logs) as gateway:
            environment = await asyncio.to_thread(lambda: system.prepare(stack, **gateway, **limits))
            with services.running(("payment", "journal", "alerts"), environment, logs) as running:
                made = Watching(environment, running, pager)
                yield made
                for engine in (made.alerts, made.payment, made.journal):
                    await engine.dispose()
