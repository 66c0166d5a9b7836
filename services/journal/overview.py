"""Reads the journal as a whole: the latest checkouts, what waits, how much happens, and where the money is.

Each function takes a connection or a pool of asyncpg.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.journal.model import moment
from shared.progress import Limits
from shared.progress.steps import STEPS, Step

_SUMMARY: Final = "checkout_id, cart_id, order_number, amount, currency, started_at, moved_at, outcome, waits"
_LATEST: Final = f"""
SELECT {_SUMMARY} FROM checkouts
 WHERE ($1::timestamptz IS NULL OR (started_at, checkout_id) < ($1, $2::text))
   AND CASE $3::text WHEN 'all' THEN true WHEN 'open' THEN open WHEN 'person' THEN open AND waits ? 'settle'
       ELSE outcome = $3 END
 ORDER BY started_at DESC, checkout_id DESC LIMIT $4
"""
_WAITING: Final = """
SELECT w.step, count(*) AS checkouts, min(w.since::bigint) AS since,
       count(*) FILTER (WHERE to_timestamp(w.since::float8 / 1000) < now() - make_interval(secs => l.seconds)) AS late
  FROM checkouts c CROSS JOIN jsonb_each_text(c.waits) AS w (step, since)
  JOIN unnest($1::text[], $2::float8[]) AS l (step, seconds) ON l.step = w.step
 WHERE c.open GROUP BY w.step
"""
_HAPPENED: Final = """
SELECT source, kind, count(*) AS entries, count(*) FILTER (WHERE cause LIKE 'gateway/%') AS answers
  FROM entries WHERE recorded_at > now() - make_interval(secs => $1) AND form = 'message' GROUP BY source, kind
"""
_HELD: Final = """
SELECT currency, count(*) AS checkouts, sum(amount)::numeric AS amount, min((steps->>'PaymentAuthorized')::bigint) AS since
  FROM checkouts
 WHERE open AND steps ? 'PaymentAuthorized' AND NOT steps ?| ARRAY['PaymentCaptured', 'PaymentVoided', 'PaymentRefunded']
 GROUP BY currency ORDER BY checkouts DESC
"""
MONEY: Final = {
    "refunded": ("PaymentRefunded",),
    "voided": ("PaymentVoided",),
    "stuck": ("VoidFailed", "RefundFailed"),
    "captured": ("PaymentCaptured",),
    "due on delivery": ("PaymentDeferred",),
    "declined": ("PaymentDeclined",),
    "under way": ("PaymentAuthorized",),
}
"""What can have become of a checkout's money, by the events that say so; the first that fits counts."""
FAILURES: Final = ("CaptureFailed", "VoidFailed", "RefundFailed")
_BECAME: Final = f"CASE {' '.join(f'WHEN steps ?| ARRAY{list(kinds)} THEN {name!r}' for name, kinds in MONEY.items())} END"
_MONEY: Final = f"""
SELECT date_bin(make_interval(secs => $2), started_at, 'epoch') AS began, currency, {_BECAME} AS became,
       count(*) AS checkouts, sum(amount)::numeric AS amount
  FROM checkouts WHERE started_at > now() - make_interval(secs => $1) AND currency IS NOT NULL GROUP BY 1, 2, 3
"""
_FAILURES: Final = """
SELECT k.kind, currency, count(*) AS checkouts, sum(amount)::numeric AS amount
  FROM checkouts JOIN unnest($2::text[]) AS k (kind) ON steps ? k.kind
 WHERE started_at > now() - make_interval(secs => $1) AND currency IS NOT NULL GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Summary:
    """A checkout in a list. ``waits``: the steps it waits in, each with since when."""

    checkout_id: str
    cart_id: str
    order_number: str | None
    amount: int | None
    currency: str | None
    started_at: datetime
    moved_at: datetime
    outcome: str | None
    waits: Mapping[Step, datetime]


@dataclass(frozen=True)
class Queue:
    """The checkouts that wait in one step. ``late``: how many of them longer than they should."""

    step: Step
    checkouts: int
    since: datetime
    late: int


@dataclass(frozen=True)
class Happened:
    """What was published lately. ``emitted``: messages by who wrote them and their type; ``answers``: of the gateway."""

    emitted: Mapping[tuple[str, str], int]
    answers: int


@dataclass(frozen=True)
class Sum:
    """Money of several checkouts in one currency. ``since``: the oldest of them, where that is asked for."""

    currency: str
    checkouts: int
    amount: int
    since: datetime | None = None


@dataclass(frozen=True)
class Became:
    """What became of the money of checkouts started within a span of time. ``what``: a key of :data:`MONEY`."""

    began: datetime
    what: str
    money: Sum


async def latest(db: Any, which: str, limit: int, before: tuple[datetime, str] | None = None) -> list[Summary]:
    """The checkouts started last.

    ``which``: ``all``, ``open`` (something is waited for), ``person`` (somebody is), or an outcome. ``before``: when the
    last one of the page before was started, and its id.
    """
    rows = await db.fetch(_LATEST, *(before or (None, None)), which, limit)
    return [Summary(**{**row, "waits": _waits(row["waits"])}) for row in rows]


def _waits(packed: str | None) -> dict[Step, datetime]:
    found = json.loads(packed) if packed else {}
    return {step: moment(found[step.name]) for step in STEPS if step.name in found}


async def waiting(db: Any, limits: Limits) -> list[Queue]:
    """How many checkouts wait in each step, in the order a checkout meets them."""
    seconds = {step.name: limits.seconds(step) for step in STEPS}
    found = {row["step"]: row for row in await db.fetch(_WAITING, list(seconds), list(seconds.values()))}
    rows = [(step, found[step.name]) for step in STEPS if step.name in found]
    return [Queue(step, row["checkouts"], moment(row["since"]), row["late"]) for step, row in rows]


async def happened(db: Any, seconds: float) -> Happened:
    """What was published in the last so many seconds."""
    rows = await db.fetch(_HAPPENED, seconds)
    emitted = {(row["source"].removeprefix("/quadrille/"), row["kind"]): row["entries"] for row in rows}
    return Happened(emitted, sum(row["answers"] for row in rows))


async def held(db: Any) -> list[Sum]:
    """The money that is held now: authorized, and neither captured nor given back."""
    rows = [row for row in await db.fetch(_HELD) if row["currency"]]
    return [Sum(row["currency"], row["checkouts"], int(row["amount"] or 0), moment(row["since"])) for row in rows]


async def money(db: Any, seconds: float, span: float) -> list[Became]:
    """What became of the money of the checkouts started in the last so many seconds, by spans of so many seconds."""
    rows = [row for row in await db.fetch(_MONEY, seconds, span) if row["became"]]
    return [Became(row["began"], row["became"], _sum(row)) for row in rows]


async def failures(db: Any, seconds: float) -> dict[str, list[Sum]]:
    """What failed, settled since or not, of the checkouts started in the last so many seconds: by each of FAILURES."""
    rows = await db.fetch(_FAILURES, seconds, list(FAILURES))
    return {kind: [_sum(row) for row in rows if row["kind"] == kind] for kind in FAILURES}


def _sum(row: Mapping[str, Any]) -> Sum:
    return Sum(row["currency"], row["checkouts"], int(row["amount"] or 0))
