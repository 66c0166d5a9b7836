"""Watches what alerts itself needs: Kafka and its database. Notifications of an outage need neither."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from services.alerts.model import Failure
from services.alerts.reports import Reports
from services.alerts.watchdog.condition_alerts import OUTAGE, database_away, kafka_away
from services.alerts.watchdog.conditions import Conditions
from shared.contract.text import plain
from shared.runtime import kafka
from shared.settings import Settings

ANSWER_SECONDS: Final = 5.0
"""The longest an answer may take."""
KAFKA: Final = "kafka"
DATABASE: Final = "database"
WATCHED: Final = (KAFKA, DATABASE)
LONGEST: Final = 200


class OutageMonitor:
    """Asks both every ``watch_seconds``, each on its own connection."""

    def __init__(self, settings: Settings, reports: Reports) -> None:
        self._settings, self._reports, self._every = settings, reports, settings.watch_seconds
        self._outages = Conditions(OUTAGE, reports, "it answers", 2 * self._every, 2 * self._every)
        self._silent: set[str] = set()
        self.conditions = (self._outages,)

    def is_active(self) -> bool:
        """Whether one of them did not answer last, or its alert is open."""
        return bool(self._silent or self._outages.raised)

    async def run(self) -> None:
        """Ask until cancelled."""
        database, client = Database(self._settings.database_url("alerts")), self._settings.kafka_client()
        try:
            await asyncio.gather(
                self._watch(KAFKA, lambda: kafka.ping(client, ANSWER_SECONDS), kafka_away),
                self._watch(DATABASE, database.ask, database_away),
            )
        finally:
            database.close()

    async def _watch(self, what: str, ask: Callable[[], Awaitable[None]], alert: Callable[[str, float], Failure]) -> None:
        while True:
            why = await trouble(ask)
            self._silent = self._silent | {what} if why else self._silent - {what}
            self._outages.update({what: alert(why, time.time())} if why else {}, WATCHED, (what,), time.monotonic())
            self._reports.away = DATABASE in self._outages.raised
            await asyncio.sleep(self._every)


class Database:
    """Asks on its own connection whether a database accepts writes. A connection that fails is replaced."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None

    async def ask(self) -> None:
        """Return if it does. Raises any exception if it does not, or if there is no connection."""
        try:
            if self._connection is None:
                self._connection = await asyncpg.connect(self._url, timeout=ANSWER_SECONDS)
            await self._connection.execute("BEGIN READ WRITE; ROLLBACK")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drop the connection, whatever state it is in."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def trouble(ask: Callable[[], Awaitable[None]]) -> str | None:
    """Why something does not answer, in one line; None if it does."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await ask()
    except TimeoutError:
        return f"no answer within {ANSWER_SECONDS:g} s"
    except Exception as error:  # any error means no answer
        return plain(f"{type(error).__name__}: {error}".partition("\n")[0].rstrip(": "), LONGEST)
    return None
