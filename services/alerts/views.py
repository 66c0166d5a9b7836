"""Queries of alerts and dead letters, for the CLI, the console and tests."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts.model import ABOUT_MONEY, Alert, DeadLetter, DeadRecord
from services.alerts.states import AlertState, DeadLetterState
from shared.errors import QuadrilleError

A = TypeVar("A")
UNRESOLVED_ALERTS: Final = (AlertState.OPEN, AlertState.ACKNOWLEDGED)
UNRESOLVED_DEAD_LETTERS: Final = (DeadLetterState.OPEN, DeadLetterState.REDRIVEN, DeadLetterState.PARKED)

_ALERTS: Final = TypeAdapter(Alert)
_DEAD_LETTERS: Final = TypeAdapter(DeadLetter)
_RECORDS: Final = TypeAdapter(DeadRecord)
_STATES: Final = bindparam("states", type_=ARRAY(Text))
_MONEY: Final = bindparam("money", list(ABOUT_MONEY), type_=ARRAY(Text))
_ALERTS_MATCHING: Final = (
    " FROM alerts a WHERE state = ANY(:states) AND (CAST(:kind AS text) IS NULL OR kind = :kind)"
    " AND (CAST(:severity AS text) IS NULL OR severity = :severity)"
    " AND (CAST(:service AS text) IS NULL OR service = :service)"
)
_RANK: Final = "kind <> ALL(:money), severity"
"""Money first, then critical before warning."""
_ALERTS_FOUND: Final = text(
    f"SELECT row_to_json(a)::text AS body{_ALERTS_MATCHING}"
    f" ORDER BY {_RANK}, first_seen_at, alert_id LIMIT :limit OFFSET :offset"
).bindparams(_STATES, _MONEY)
_ALERT_GROUPS: Final = text(
    f"SELECT severity, kind, service, count(*) AS alerts, min(first_seen_at) AS oldest{_ALERTS_MATCHING}"
    f" GROUP BY severity, kind, service ORDER BY {_RANK}, alerts DESC, kind, service"
).bindparams(_STATES, _MONEY)
_MATCHING: Final = (
    " FROM dead_letters d WHERE state = ANY(:states) AND (CAST(:service AS text) IS NULL OR :service = ANY(services))"
    " AND (CAST(:topic AS text) IS NULL OR topic = :topic) AND (CAST(:kind AS text) IS NULL OR kind = :kind)"
    " AND (CAST(:since AS timestamptz) IS NULL OR last_failed_at >= :since)"
    " AND (CAST(:reason AS text) IS NULL OR position(lower(:reason) IN lower(error || ': ' || reason || ' ' || stage)) > 0)"
)
_FOUND: Final = text(
    f"SELECT row_to_json(d)::text AS body{_MATCHING}"
    " ORDER BY kind <> 'compensation', last_failed_at, dead_letter_id LIMIT :limit OFFSET :offset"
).bindparams(_STATES)
_CAUSES: Final = text(
    f"SELECT cause, service, count(*) AS dead_letters{_MATCHING} GROUP BY cause, service"
    " ORDER BY dead_letters DESC, cause LIMIT :limit"
).bindparams(_STATES)
_COUNT: Final = text(f"SELECT count(*){_MATCHING}").bindparams(_STATES)
_BY_ID: Final = {
    "alert": text(
        "SELECT row_to_json(a)::text AS body FROM alerts a WHERE starts_with(alert_id, :id) ORDER BY length(alert_id) LIMIT 2"
    ),
    "dead letter": text(
        "SELECT row_to_json(d)::text AS body FROM dead_letters d"
        " WHERE dead_letter_id BETWEEN :id AND :id || 'g' AND starts_with(dead_letter_id, :id) LIMIT 2"
    ),
}
_OPEN: Final = text(
    "SELECT count(*) AS alerts, count(*) FILTER (WHERE severity = 'critical') AS critical,"
    " (SELECT count(*) FROM dead_letters WHERE state <> 'resolved') AS dead_letters FROM alerts WHERE state <> 'resolved'"
)
_COMPLETE: Final = re.compile(r".+\.\d+", re.ASCII)
"""An alert id that ends with a complete checkout id: a longer id is about another checkout."""
_RECORD: Final = text("SELECT row_to_json(r)::text AS body FROM dead_records r WHERE dead_letter_id = :id")


class NotFoundError(QuadrilleError):
    """No id, or more than one, begins like this."""


@dataclass(frozen=True)
class AlertFilter:
    """Selects alerts. None: any kind, severity or service."""

    states: Sequence[str] = UNRESOLVED_ALERTS
    kind: str | None = None
    severity: str | None = None
    service: str | None = None


@dataclass(frozen=True)
class AlertGroup:
    """Number of alerts per severity, kind and service. ``oldest``: when the first of them was first seen."""

    severity: str
    kind: str
    service: str
    alerts: int
    oldest: datetime


@dataclass(frozen=True)
class Filter:
    """Selects dead letters. ``reason``: part of error, reason or stage, in any case. ``since``: last failed then or later."""

    states: Sequence[str] = UNRESOLVED_DEAD_LETTERS
    service: str | None = None
    topic: str | None = None
    reason: str | None = None
    since: datetime | None = None
    kind: str | None = None


@dataclass(frozen=True)
class Cause:
    """Number of dead letters of a service with the same cause."""

    cause: str
    service: str
    dead_letters: int


@dataclass(frozen=True)
class Open:
    """Number of unresolved alerts and dead letters. ``critical``: of the alerts, those that are critical."""

    alerts: int
    critical: int
    dead_letters: int


async def count_open(engine: AsyncEngine) -> Open:
    """Count unresolved alerts and dead letters."""
    async with engine.connect() as connection:
        return Open(**(await connection.execute(_OPEN)).one()._mapping)


async def open_alerts(engine: AsyncEngine) -> list[Alert]:
    """All unresolved alerts, in the order of :func:`alerts`."""
    return await alerts(engine, AlertFilter(), 10**9)


async def alerts(engine: AsyncEngine, chosen: AlertFilter, limit: int, offset: int = 0) -> list[Alert]:
    """Alerts, those about money first, then by severity and age. ``offset``: how many to skip."""
    async with engine.connect() as connection:
        rows = await connection.execute(_ALERTS_FOUND, {**vars(chosen), "limit": limit, "offset": offset})
        return [_ALERTS.validate_json(row.body) for row in rows]


async def alert_groups(engine: AsyncEngine, chosen: AlertFilter) -> tuple[int, list[AlertGroup]]:
    """The total, and the number per severity, kind and service, in the order of :func:`alerts`."""
    async with engine.connect() as connection:
        groups = [AlertGroup(**row._mapping) for row in await connection.execute(_ALERT_GROUPS, vars(chosen))]
    return sum(group.alerts for group in groups), groups


async def alert(engine: AsyncEngine, beginning: str) -> Alert:
    """The one alert whose id begins like this. Raises :class:`NotFoundError`."""
    return await _one(engine, "alert", beginning, _ALERTS, "alert_id")


async def dead_letters(engine: AsyncEngine, chosen: Filter, limit: int, offset: int = 0) -> list[DeadLetter]:
    """Dead letters, failed compensations first, then by age. ``offset``: how many to skip."""
    async with engine.connect() as connection:
        rows = await connection.execute(_FOUND, {**vars(chosen), "limit": limit, "offset": offset})
        return [_DEAD_LETTERS.validate_json(row.body) for row in rows]


async def causes(engine: AsyncEngine, chosen: Filter, limit: int) -> tuple[int, list[Cause]]:
    """The total, and the number per cause and service, the most common first."""
    async with engine.connect() as connection:
        found = (await connection.execute(_COUNT, vars(chosen))).scalar_one()
        rows = await connection.execute(_CAUSES, {**vars(chosen), "limit": limit})
        return found, [Cause(**row._mapping) for row in rows]


async def dead_letter(engine: AsyncEngine, beginning: str) -> DeadLetter:
    """The one dead letter whose id begins like this. Raises :class:`NotFoundError`."""
    return await _one(engine, "dead letter", beginning, _DEAD_LETTERS, "dead_letter_id")


async def record(engine: AsyncEngine, dead_letter_id: str) -> DeadRecord:
    """The original bytes of a dead letter."""
    async with engine.connect() as connection:
        return _RECORDS.validate_json((await connection.execute(_RECORD, {"id": dead_letter_id})).scalar_one())


async def _one(engine: AsyncEngine, what: str, beginning: str, kind: TypeAdapter[A], id_field: str) -> A:
    async with engine.connect() as connection:
        rows = (await connection.execute(_BY_ID[what], {"id": beginning})).all()
    found = [kind.validate_json(row.body) for row in rows]
    exact = [one for one in found if getattr(one, id_field) == beginning]
    if _COMPLETE.fullmatch(beginning):
        found = exact
    if len(exact or found) != 1:
        raise NotFoundError(f"{'several' if found else 'no'} {what}{'s' if found else ''} whose id begins with {beginning!r}")
    return (exact or found)[0]
