"""Follows every checkout by the events of the four dancers, and tells of those that do not move."""

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
from services.alerts.keeper import Keeper
from services.alerts.tables import WATCHED
from services.alerts.watchdog import metrics, words
from services.alerts.watchdog.watched import Watched, durations, whole
from shared.contract.envelope import MAX_ATTRIBUTE, Record, type_of
from shared.contract.payment import HoldNearlyLapsed, OperationNearlyGivenUp
from shared.contract.registry import MESSAGES
from shared.contract.text import plain
from shared.contract.topics import EVENT_SOURCES
from shared.contract.when import happened_at, moment, recorded_at
from shared.progress import KINDS, STEPS, Limits, Pace
from shared.runtime.postgres.store import Loaded

TOLD_ONE_BY_ONE: Final = 20
"""Checkouts that do not move at the same time of which each is notified; the others have their alert in silence."""
AT_ONCE: Final = 200
KEPT: Final = timedelta(hours=1)
"""How long a checkout that waits for nothing is remembered: longer than one topic is read behind another."""

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\-]{0,79}")
_KINDS: Final = {kind.type_name().encode(): name for name, kind in KINDS.items()}
_NOTICES: Final = {
    OperationNearlyGivenUp.type_name().encode(): words.OPERATION,
    HoldNearlyLapsed.type_name().encode(): words.HOLD,
}
_WANTED: Final = _KINDS.keys() | _NOTICES.keys()
_SOURCES: Final = {kind: EVENT_SOURCES[MESSAGES[kind.decode()].topic] for kind in _WANTED}
_PAYMENT_ENDS: Final = frozenset(("PaymentCaptured", "PaymentVoided", "VoidFailed", "PaymentRefunded", "RefundFailed"))
_ENDED_BY: Final = {
    words.HOLD: _PAYMENT_ENDS,
    words.OPERATION: _PAYMENT_ENDS | {"PaymentAuthorized", "PaymentDeclined", "CaptureFailed"},
}
"""The events after which the notice of a kind is over."""

_OVERDUE: Final = text(
    "SELECT checkout_id FROM watched WHERE overdue_at <= :now AND NOT alerts::jsonb ? :kind AND step <> ALL(:excused)"
    " ORDER BY overdue_at LIMIT :limit"
).bindparams(bindparam("excused", type_=ARRAY(Text)))
_TROUBLE: Final = text(
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
    """A fact of payment's that a person should hear of."""

    kind: str
    event_id: str
    value: bytes


@dataclass
class News:
    """What a batch of records tells of one checkout: facts by name, and in their order notices and what ends them."""

    facts: dict[str, datetime] = field(default_factory=dict)
    told: list[Notice | str] = field(default_factory=list)


def read(records: Iterable[Record], now: datetime) -> dict[str, News]:
    """What records tell, by checkout. Nothing but headers is read of nearly all of them, and nothing in them can fail it.

    ``now`` bounds the times they claim.
    """
    news: dict[str, News] = defaultdict(News)
    for record in records:
        kind = type_of(record) or b""
        if kind not in _WANTED:
            continue
        headers = dict(reversed(record.headers))  # the first of equals counts
        if _text(headers, "ce_source") != _SOURCES[kind]:
            continue  # services take it for no event either
        checkout_id = _text(headers, "ce_subject")
        if not _ID.fullmatch(checkout_id):
            continue
        if kind in _KINDS:
            name, of = _KINDS[kind], news[checkout_id]
            at = happened_at(moment(_text(headers, "ce_time")), recorded_at(record.timestamp, now))
            of.facts[name] = max(at, of.facts.get(name, at))
            of.told.append(name)
        else:
            notice = Notice(_NOTICES[kind], _text(headers, "ce_id"), record.value or b"")
            news[checkout_id].told.append(notice)
    return news


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    return plain((headers.get(name) or b"").decode("utf-8", "replace"), MAX_ATTRIBUTE)


class Checkouts:
    """The checkouts that are followed. A row is written after the alerts it speaks of, so that a crash loses none.

    An alert whose row was not written is found by :meth:`judge`, and closed where the checkout has moved since.
    """

    def __init__(self, engine: AsyncEngine, keeper: Keeper, limits: Limits) -> None:
        self._engine, self._keeper, self._limits = engine, keeper, limits
        self._many_since: datetime | None = None
        self._busy = asyncio.Lock()
        """Held by whoever changes rows: who judges would else find that what he judged has moved, again and again."""

    async def follow(self, records: Iterable[Record], now: datetime) -> None:
        """Take in what happened. Raises ``SQLAlchemyError`` and ``ConflictError``: hand the same records in again."""
        if news := read(records, now):
            async with self._busy:
                await self._take_in(news, now)

    async def _take_in(self, news: Mapping[str, News], now: datetime) -> None:
        rows = await self._load(news)
        took: list[tuple[str, float]] = []
        came_to: list[tuple[str, float | None]] = []
        for checkout_id, of in news.items():
            watched = rows[checkout_id].aggregate
            before = frozenset(watched.seen)
            stands = watched.take_in(of.facts, self._limits, now)
            took += durations(watched.seen, before).items()
            if stands.outcome and not watched.outcome:
                watched.outcome = stands.outcome
                came_to.append((stands.outcome, whole(watched.seen, stands.outcome)))
            await self._tell(watched, of)
            if words.STUCK in watched.alerts and not watched.overdue(self._limits, now):
                await self._settle(watched, words.STUCK, "it moves again")
        await self._save(rows)
        for step, seconds in took:
            metrics.step_seconds[step].observe(seconds)
        for outcome, lasted in came_to:
            metrics.checkouts[outcome].inc()
            if lasted is not None:
                metrics.checkout_seconds[outcome].observe(lasted)

    async def _tell(self, watched: Watched, news: News) -> None:
        """Payment's notices, and the end of those there are, in the order in which they happened."""
        for one in news.told:
            if isinstance(one, Notice):
                say = words.operation_nearly_given_up if one.kind == words.OPERATION else words.hold_nearly_lapsed
                await self._keeper.report(say(watched.checkout_id, one.event_id, _facts(one.value)))
                watched.alerts = sorted({*watched.alerts, one.kind})
            else:
                for kind in [kind for kind in watched.alerts if one in _ENDED_BY.get(kind, ())]:
                    await self._settle(watched, kind, one)

    async def _settle(self, watched: Watched, kind: str, why: str) -> None:
        await self._keeper.settle(words.identity(kind, watched.checkout_id), words.BY, why)
        watched.alerts = [open_one for open_one in watched.alerts if open_one != kind]

    async def judge(self, now: datetime) -> None:
        """Open an alert for each checkout that is overdue, and close those that were left behind.

        ``now``: a moment up to which all that happened was taken in. Raises as :meth:`follow`.
        """
        async with self._busy:
            told_of = await self._tell_of_overdue(now)
            await self._settle_left(now)
        await self._tell_of_many(told_of, now)

    async def _tell_of_overdue(self, now: datetime) -> int:
        async with self._engine.connect() as connection:
            told_of = int((await connection.execute(_STUCK, {"kind": words.STUCK})).scalar() or 0)
            asked = {"now": now, "kind": words.STUCK, "limit": AT_ONCE, "excused": await self._excused(connection, now)}
            late = [row.checkout_id for row in await connection.execute(_OVERDUE, asked)]
        rows = await self._load(late)
        for row in rows.values():
            if waiting := row.aggregate.overdue(self._limits, now):
                told_of += 1
                quiet = told_of > TOLD_ONE_BY_ONE
                await self._keeper.report(words.stuck(row.aggregate.checkout_id, waiting, now, quiet=quiet))
                row.aggregate.alerts = sorted({*row.aggregate.alerts, words.STUCK})
        await self._save(rows)
        return told_of

    async def _excused(self, connection: AsyncConnection, now: datetime) -> list[str]:
        """The steps that wait for a gateway in trouble, which has an alert of its own, or have just begun to catch up."""
        since = now - timedelta(seconds=self._limits.gateway)
        trouble = await connection.execute(_TROUBLE, {"alert_id": GATEWAY_ALERT, "since": since})
        return _AT_THE_GATEWAY if trouble.scalar() else []

    async def _settle_left(self, now: datetime) -> None:
        asked = {"now": now, "kind": words.STUCK, "prefix": words.identity(words.STUCK, ""), "limit": AT_ONCE}
        async with self._engine.connect() as connection:
            left = [row.checkout_id for row in await connection.execute(_LEFT, asked)]
        for checkout_id in left:
            await self._keeper.settle(words.identity(words.STUCK, checkout_id), words.BY, "it moves again")

    async def _tell_of_many(self, count: int, now: datetime) -> None:
        if count > TOLD_ONE_BY_ONE:
            self._many_since = self._many_since or now
            await self._keeper.report(words.many_stuck(count, TOLD_ONE_BY_ONE, self._many_since))
        else:
            self._many_since = None
            await self._keeper.settle(words.identity(words.MANY_STUCK, "all"), words.BY, "few are left")

    async def _load(self, ids: Iterable[str]) -> dict[str, Loaded[Watched]]:
        wanted = list(ids)
        async with self._engine.connect() as connection:
            found = await WATCHED.load(connection, wanted, lock=False)
        return {i: found.get(i) or WATCHED.blank(i) for i in wanted}

    async def _save(self, rows: Mapping[str, Loaded[Watched]]) -> None:
        async with self._engine.begin() as connection:
            await WATCHED.save(connection, rows.values(), lambda _: 0)

    async def measure(self) -> None:
        """Set the gauge of checkouts by the step they wait in."""
        async with self._engine.connect() as connection:
            waiting = {row.step: row.checkouts for row in await connection.execute(_WAITING)}
        metrics.show_waiting(waiting)

    async def prune(self, now: datetime) -> None:
        """Forget what waits for nothing and was not heard of for long."""
        async with self._engine.begin() as connection:
            await connection.execute(_PRUNE, {"before": now - KEPT})


def _facts(value: bytes) -> Mapping[str, object]:
    try:
        facts = pydantic_core.from_json(value)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
