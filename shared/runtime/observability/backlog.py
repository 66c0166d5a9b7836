"""What waits in a service's outbox, looked at now and then so that no scrape costs a query."""

import asyncio
import logging
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.runtime.observability import metrics
from shared.runtime.postgres import outbox

log = logging.getLogger(__name__)
LOOK_SECONDS: Final = 5.0
OUTBOX: Final = "outbox"


async def watch(service: str, engine: AsyncEngine, health_problems: dict[str, str]) -> None:
    """Keep the gauges of the outbox current until cancelled, whether Kafka is there or not.

    They speak of the whole outbox, so each member of a service says the same. A database that is away leaves them as they
    were, and is one of the service's ``health_problems``, also in a member that owns no partition.
    """
    while True:
        try:
            async with engine.connect() as connection:
                found = await outbox.backlog(connection)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.debug("%s cannot look at its outbox: %r", service, error)
            health_problems[OUTBOX] = f"the database is away: {error!r}"
        else:
            health_problems.pop(OUTBOX, None)
            metrics.outbox_depth.labels(service).set(found.depth)
            metrics.outbox_quarantined.labels(service).set(found.quarantined)
            metrics.outbox_age.labels(service).set(found.age)
        await asyncio.sleep(LOOK_SECONDS)
