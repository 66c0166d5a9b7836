"""Alerts and dead letters, once the service alerts has them."""

import contextlib
from collections.abc import AsyncIterator, Callable

from devstack.demo.shop import Shop
from services.alerts import views
from services.alerts.model import Alert, DeadLetter
from services.alerts.store import DeadLetterStore
from services.alerts.views import Filter
from shared.runtime.postgres.port import PostgresDatabase
from tests.support.waiting import until


@contextlib.asynccontextmanager
async def dead_letter_store(url: str, emitted: Callable[[], None] = lambda: None) -> AsyncIterator[DeadLetterStore]:
    """What writes to the database of alerts at this address."""
    database = PostgresDatabase(url)
    try:
        yield DeadLetterStore(database, lambda key: 0, emitted)
    finally:
        await database.close()


async def resolved(shop: Shop, alert: Alert) -> Alert:
    """Wait for the end of an alert, and return it."""
    found: Alert = await until(lambda: views.alert(shop.engine, alert.alert_id), good=lambda found: found.state == "resolved")
    return found


async def dead_letter_of(shop: Shop, key: str) -> DeadLetter:
    """Wait for the dead letter of a record with this key, and return it."""

    async def newest() -> DeadLetter | None:
        for dead_letter in await views.dead_letters(shop.engine, Filter(), 10**6):
            if (await views.record(shop.engine, dead_letter.dead_letter_id)).key == key.encode():
                return dead_letter
        return None

    dead_letter: DeadLetter = await until(newest, f"the dead letter of {key}")
    return dead_letter
