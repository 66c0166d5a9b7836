"""Finds the checkouts that are late: each waits in a step for longer than the limit of that step.

A wait for staff is never late, because it has an alert of its own. Warnings of payment that still hold are listed as well.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.journal import metrics
from services.journal.model import WARNINGS, moment
from shared.progress import STEPS, Limits, Pace
from shared.runtime.observability.repeats import REPEATED

log = logging.getLogger(__name__)
COUNT_SECONDS: Final = 5.0

MAX_LATE: Final = 5_000
"""The most checkouts that are listed: those that were due first. So many may have a warning, too."""
CLEANUP: Final = 9
"""The number of the step after the order: no customer waits for it."""

_TIMED: Final = {step.name: step for step in STEPS if step.pace is not Pace.PERSON}
_LATE: Final = text("""
SELECT c.checkout_id, c.cart_id, c.order_number, w.step, w.since, count(*) OVER () AS total
  FROM checkouts c CROSS JOIN LATERAL (
       SELECT w.step, CAST(w.since AS bigint) AS since, CAST(w.since AS float8) / 1000 + l.seconds AS due
         FROM jsonb_each_text(c.waits) AS w (step, since)
         JOIN unnest(CAST(:steps AS text[]), CAST(:seconds AS float8[])) AS l (step, seconds) ON l.step = w.step
        ORDER BY due LIMIT 1) AS w
 WHERE (c.in_progress OR c.open AND c.started_at <= CAST(:sessions AS timestamptz)) AND w.due <= CAST(:now AS float8)
 ORDER BY w.due, c.checkout_id LIMIT :limit
""")
"""Reads only checkouts in progress and those whose session should be over, however many customers are choosing."""
_WARNED: Final = text(
    "SELECT checkout_id, warning FROM checkouts CROSS JOIN jsonb_array_elements_text(warnings) AS w (warning)"
    " WHERE warnings IS NOT NULL LIMIT :limit"
)
_WAITING: Final = text(
    "SELECT step, count(*) AS checkouts FROM checkouts CROSS JOIN jsonb_object_keys(waits) AS w (step)"
    " WHERE in_progress GROUP BY step"
)


async def late(engine: AsyncEngine, limits: Limits, now: datetime, limit: int = MAX_LATE) -> dict[str, object]:
    """List the checkouts that are late at ``now``, in the order in which they were due. Raises what the database raises.

    ``total``: how many are late, of which at most ``limit`` are listed. ``warned``: the checkouts with a warning of payment
    that nothing has ended, by the warning; None if there are more than ``limit``.
    """
    asked = {
        "steps": list(_TIMED),
        "seconds": [limits.seconds(step) for step in _TIMED.values()],
        "sessions": now - timedelta(seconds=limits.customer),
        "now": now.timestamp(),
        "limit": limit,
    }
    async with engine.connect() as connection:
        rows = [row._asdict() for row in await connection.execute(_LATE, asked)]
        warned = (await connection.execute(_WARNED, {"limit": limit + 1})).all()
    return {
        "total": rows[0]["total"] if rows else 0,
        "late": [describe(row, limits) for row in rows],
        "warned": {name: [row.checkout_id for row in warned if row.warning == name] for name in WARNINGS}
        if len(warned) <= limit
        else None,
    }


def describe(row: Mapping[str, Any], limits: Limits) -> dict[str, object]:
    """Describe a late checkout by the step that was due first. ``who``: the service that has to answer, or ``customer``."""
    step, since = _TIMED[row["step"]], moment(row["since"])
    return {
        "kind": "cleanup_failing" if step.number == CLEANUP else "stuck",
        "checkout_id": row["checkout_id"],
        "cart_id": row["cart_id"],
        "order_number": row["order_number"],
        "step": step.name,
        "waits_for": step.what,
        "who": step.who,
        "pace": step.pace,
        "since": since.isoformat(),
        "due_at": (since + timedelta(seconds=limits.seconds(step))).isoformat(),
    }


def route(engine: AsyncEngine, limits: Limits) -> web.RouteDef:
    """Serve the late checkouts as ``GET /late``; 503 while the database does not answer."""

    async def answer(_: web.Request) -> web.Response:
        try:
            return web.json_response(await late(engine, limits, datetime.now(UTC)))
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("the late checkouts cannot be read now: %r", error, extra=REPEATED)
            return web.json_response({"error": type(error).__name__}, status=503)

    return web.get("/late", answer)


async def waiting(engine: AsyncEngine) -> dict[str, int]:
    """Count the checkouts in progress by the step they wait in; one that waits in two steps counts in both."""
    async with engine.connect() as connection:
        return {row.step: row.checkouts for row in await connection.execute(_WAITING)}


async def count_waiting(engine: AsyncEngine) -> None:
    """Keep the gauge of waiting checkouts current until cancelled."""
    while True:
        try:
            metrics.set_waiting(await waiting(engine))
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("the waiting checkouts cannot be counted now: %r", error, extra=REPEATED)
        await asyncio.sleep(COUNT_SECONDS)
