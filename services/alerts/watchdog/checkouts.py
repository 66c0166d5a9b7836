"""Follows every checkout by the events of the four services, and opens alerts for those that are stuck."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import pydantic_core
from sqlalchemy import Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.alerts.failures import GATEWAY_ALERT
from services.alerts.store import DeadLetterStore
from services.alerts.tables import WATCHED
from services.alerts.watchdog import metrics
from services.alerts.watchdog.checkout_alerts import (
    AUTHORIZATION,
    MANY_STUCK,
    RETRIES,
    STUCK,
    authorization_expiring,
    many_stuck,
    retries_nearly_exhausted,
    stuck,
)
from services.alerts.watchdog.identity import BY, identity
from services.alerts.watchdog.watched import Watched, durations, total_duration
from shared.contract.envelope import MAX_ATTRIBUTE, Record, type_of
from shared.contract.payment import AuthorizationExpiring, RetriesNearlyExhausted
from shared.contract.registry import MESSAGES
from shared.contract.text import plain
from shared.contract.topics import EVENT_SOURCES
from shared.contract.when import happened_at, moment, recorded_at
from shared.progress import KINDS, STEPS, Limits, Pace
from shared.runtime.postgres.store import Loaded

NOTIFIED_SINGLY: Final = 20
"""Stuck checkouts that each send notifications; further ones open their alert silently."""
MAX_BATCH_SIZE: Final = 200
RETENTION: Final = timedelta(hours=1)
"""How long a finished checkout is remembered: longer than one topic is read behind another."""

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\-]{0,79}")
_KINDS: Final = {kind.type_name().encode(): name for name, kind in KINDS.items()}
_NOTICES: Final = {
    RetriesNearlyExhausted.type_name().encode(): RETRIES,
    AuthorizationExpiring.type_name().encode(): AUTHORIZATION,
}
_WANTED: Final = _KINDS.keys() | _NOTICES.keys()
_SOURCES: Final = {kind: EVENT_SOURCES[MESSAGES[kind.decode()].topic] for kind in _WANTED}
_PAYMENT_ENDS: Final = frozenset(("PaymentCaptured", "PaymentVoided", "VoidFailed", "PaymentRefunded", "RefundFailed"))
_ENDED_BY: Final = {
    AUTHORIZATION: _PAYMENT_ENDS,
    RETRIES: _PAYMENT_ENDS | {"PaymentAuthorized", "PaymentDeclined", "CaptureFailed"},
}
"""The events that end a notice of a kind."""

_OVERDUE: Final = text(
    "SELECT checkout_id FROM watched WHERE overdue_at <= :now AND NOT alerts::jsonb ? :kind AND step <> ALL(:excused)"
    " ORDER BY overdue_at LIMIT :limit"
).bindparams(bindparam("excused", type_=ARRAY(Text)))
_GATEWAY_FAILING: Final = text(
    "SELECT EXISTS (SELECT FROM alerts WHERE alert_id = :alert_id AND (state <> 'resolved' OR resolved_at > :since))"
)
_AT_THE_GATEWAY: Final = [step.name for step in STEPS if step.pace is Pace.GATEWAY]
_LEFT: Final = text(
    "SELECT a.checkout_id FROM alerts AS a WHERE a.state <> 'resolved' AND a.alert_id = :prefix || a.checkout_id"
    " AND NOT EXISTS (SELECT FROM watched AS w WHERE w.checkout_id = a.checkout_id"
    " AND (w.alerts::jsonb ? :kind OR w.overdue_at <= :now)) LIMIT :limit"
)
_STUCK: Final = text("SELECT count(*) FROM watched WHERE overdue_at IS NOT NULL AND alerts::jsonb ? :kind")
_WAITING: Final = text("SELECT step, count(*) AS checkouts FROM watched WHERE overdue_at IS NOT NULL GROUP BY step")
_PRUNE: Final = text(
    "DELETE FROM watched WHERE checkout_id IN (SELECT checkout_id FROM watched"
    " WHERE overdue_at IS NULL AND alerts::text = '[]' AND touched_at < :before LIMIT 10000)"
)


@dataclass(frozen=True)
class Notice:
    """An event of payment that opens an alert."""

    kind: str
    event_id: str
    value: bytes


@dataclass
class CheckoutEvents:
    """The events of one checkout in a batch: when each happened, by name, and in order the notices and what may end them."""

    facts: dict[str, datetime] = field(default_factory=dict)
    sequence: list[Notice | str] = field(default_factory=list)


def read(records: Iterable[Record], now: datetime) -> dict[str, CheckoutEvents]:
    """The events of each checkout. No record can make this raise; of nearly all of them only the headers are read.

    ``now``: limits the times that records claim.
    """
    found: dict[str, CheckoutEvents] = defaultdict(CheckoutEvents)
    for record in records:
        kind = type_of(record) or b""
        if kind not in _WANTED:
            continue
        headers = dict(reversed(record.headers))  # the first of equals counts
        if _text(headers, "ce_source") != _SOURCES[kind]:
            continue  # services reject it as well
        checkout_id = _text(headers, "ce_subject")
        if not _ID.fullmatch(checkout_id):
            continue
        if kind in _KINDS:
            name, events = _KINDS[kind], found[checkout_id]
            at = happened_at(moment(_text(headers, "ce_time")), recorded_at(record.timestamp, now))
            events.facts[name] = max(at, events.facts.get(name, at))
            events.sequence.append(name)
        else:
            notice = Notice(_NOTICES[kind], _text(headers, "ce_id"), record.value or b"")
            found[checkout_id].sequence.append(notice)
    return found


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    return plain((headers.get(name) or b"").decode("utf-8", "replace"), MAX_ATTRIBUTE)


class CheckoutMonitor:
    """Follows checkouts in the table ``watched``. A row is written after its alerts, so that a crash loses none.

    An alert whose row was not written is found by :meth:`judge`, and closed if the checkout has moved since.
    """

    def __init__(self, engine: AsyncEngine, store: DeadLetterStore, limits: Limits) -> None:
        self._engine, self._store, self._limits = engine, store, limits
        self._many_since: datetime | None = None
        self._busy = asyncio.Lock()
        """Held while rows change: otherwise a judged checkout would have moved meanwhile, again and again."""

    async def follow(self, records: Iterable[Record], now: datetime) -> None:
        """Apply events. Raises ``SQLAlchemyError`` and ``ConflictError``: pass the same records again."""
        if found := read(records, now):
            async with self._busy:
                await self._apply(found, now)

    async def _apply(self, found: Mapping[str, CheckoutEvents], now: datetime) -> None:
        rows = await self._load(found)
        steps: list[tuple[str, float]] = []
        outcomes: list[tuple[str, float | None]] = []
        for checkout_id, events in found.items():
            watched = rows[checkout_id].aggregate
            before = frozenset(watched.seen)
            status = watched.apply(events.facts, self._limits, now)
            steps += durations(watched.seen, before).items()
            if status.outcome and not watched.outcome:
                watched.outcome = status.outcome
                outcomes.append((status.outcome, total_duration(watched.seen, status.outcome)))
            await self._report(watched, events)
            if STUCK in watched.alerts and not watched.overdue(self._limits, now):
                await self._resolve(watched, STUCK, "it moves again")
        await self._save(rows)
        for step, seconds in steps:
            metrics.step_seconds[step].observe(seconds)
        for outcome, duration in outcomes:
            metrics.checkouts[outcome].inc()
            if duration is not None:
                metrics.checkout_seconds[outcome].observe(duration)

    async def _report(self, watched: Watched, events: CheckoutEvents) -> None:
        """Open and close the alerts of payment's notices, in the order of the events."""
        for one in events.sequence:
            if isinstance(one, Notice):
                failure = retries_nearly_exhausted if one.kind == RETRIES else authorization_expiring
                await self._store.report(failure(watched.checkout_id, one.event_id, _facts(one.value)))
                watched.alerts = sorted({*watched.alerts, one.kind})
            else:
                for kind in [kind for kind in watched.alerts if one in _ENDED_BY.get(kind, ())]:
                    await self._resolve(watched, kind, one)

    async def _resolve(self, watched: Watched, kind: str, why: str) -> None:
        await self._store.resolve(identity(kind, watched.checkout_id), BY, why)
        watched.alerts = [open_one for open_one in watched.alerts if open_one != kind]

    async def judge(self, now: datetime) -> None:
        """Open an alert for each overdue checkout, and close those that are left over.

        ``now``: a moment up to which all events were applied. Raises as :meth:`follow`.
        """
        async with self._busy:
            count = await self._report_overdue(now)
            await self._resolve_left(now)
        await self._report_many(count, now)

    async def _report_overdue(self, now: datetime) -> int:
        async with self._engine.connect() as connection:
            count = int((await connection.execute(_STUCK, {"kind": STUCK})).scalar() or 0)
            asked = {"now": now, "kind": STUCK, "limit": MAX_BATCH_SIZE, "excused": await self._excused(connection, now)}
            late = [row.checkout_id for row in await connection.execute(_OVERDUE, asked)]
        rows = await self._load(late)
        for row in rows.values():
            if waiting := row.aggregate.overdue(self._limits, now):
                count += 1
                quiet = count > NOTIFIED_SINGLY
                await self._store.report(stuck(row.aggregate.checkout_id, waiting, now, quiet=quiet))
                row.aggregate.alerts = sorted({*row.aggregate.alerts, STUCK})
        await self._save(rows)
        return count

    async def _excused(self, connection: AsyncConnection, now: datetime) -> list[str]:
        """The steps that wait for a failing gateway, which has its own alert, or that recently recovered."""
        since = now - timedelta(seconds=self._limits.gateway)
        failing = await connection.execute(_GATEWAY_FAILING, {"alert_id": GATEWAY_ALERT, "since": since})
        return _AT_THE_GATEWAY if failing.scalar() else []

    async def _resolve_left(self, now: datetime) -> None:
        asked = {"now": now, "kind": STUCK, "prefix": identity(STUCK, ""), "limit": MAX_BATCH_SIZE}
        async with self._engine.connect() as connection:
            left = [row.checkout_id for row in await connection.execute(_LEFT, asked)]
        for checkout_id in left:
            await self._store.resolve(identity(STUCK, checkout_id), BY, "it moves again")

    async def _report_many(self, count: int, now: datetime) -> None:
        if count > NOTIFIED_SINGLY:
            self._many_since = self._many_since or now
            await self._store.report(many_stuck(count, NOTIFIED_SINGLY, self._many_since))
        else:
            self._many_since = None
            await self._store.resolve(identity(MANY_STUCK, "all"), BY, "few checkouts are still stuck")

    async def _load(self, ids: Iterable[str]) -> dict[str, Loaded[Watched]]:
        wanted = list(ids)
        async with self._engine.connect() as connection:
            found = await WATCHED.load(connection, wanted, lock=False)
        return {i: found.get(i) or WATCHED.blank(i) for i in wanted}

    async def _save(self, rows: Mapping[str, Loaded[Watched]]) -> None:
        async with self._engine.begin() as connection:
            await WATCHED.save(connection, rows.values(), lambda _: 0)

    async def measure(self) -> None:
        """Set the gauge of waiting checkouts per step."""
        async with self._engine.connect() as connection:
            waiting = {row.step: row.checkouts for row in await connection.execute(_WAITING)}
        metrics.set_waiting(waiting)

    async def prune(self, now: datetime) -> None:
        """Delete finished checkouts without recent events."""
        async with self._engine.begin() as connection:
            await connection.execute(_PRUNE, {"before": now - RETENTION})


def _facts(value: bytes) -> Mapping[str, object]:
    try:
        facts = pydantic_core.from_json(value)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
