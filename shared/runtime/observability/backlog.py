"""What waits in a service's outbox, looked at now and then so that no scrape costs a query."""

import asyncio
import logging
from typing import Final

from shared.runtime.database import Database, DatabaseError
from shared.runtime.observability import metrics

log = logging.getLogger(__name__)
LOOK_SECONDS: Final = 5.0
OUTBOX: Final = "outbox"


async def watch(service: str, database: Database, health_problems: dict[str, str]) -> None:
    """Keep the gauges of the outbox current until cancelled, whether Kafka is there or not.

    They speak of the whole outbox, so each member of a service says the same. A database that is away leaves them as they
    were, and is one of the service's ``health_problems``, also in a member that owns no partition.
    """
    while True:
        try:
            found = await database.backlog()
        except DatabaseError as error:
            log.debug("%s cannot look at its outbox: %r", service, error)
            health_problems[OUTBOX] = f"the database is away: {error!r}"
        else:
            health_problems.pop(OUTBOX, None)
            metrics.outbox_depth.labels(service).set(found.depth)
            metrics.outbox_quarantined.labels(service).set(found.quarantined)
            metrics.outbox_age.labels(service).set(found.age)
        await asyncio.sleep(LOOK_SECONDS)
