"""Reads totals from the journal: latest checkouts, pending steps, throughput and payments.

Each function takes a connection or a pool of asyncpg.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.journal.model import moment
from shared.progress import Limits
from shared.progress.steps import STEPS, Step

_LATEST: Final = """
SELECT checkout_id, order_number, amount, currency, started_at, outcome, waits FROM checkouts
 WHERE ($1::timestamptz IS NULL OR (started_at, checkout_id) < ($1, $2::text))
   AND CASE $3::text WHEN 'all' THEN true WHEN 'open' THEN open WHEN 'needs_a_person' THEN open AND waits ? 'settle'
       ELSE outcome = $3 END
 ORDER BY started_at DESC, checkout_id DESC LIMIT $4
"""
EXAMPLES: Final = 5
_WAITING: Final = """
WITH w AS (
    SELECT w.step, c.checkout_id, w.since::bigint AS since,
           to_timestamp(w.since::float8 / 1000) < now() - make_interval(secs => l.seconds) AS late
      FROM checkouts c CROSS JOIN jsonb_each_text(c.waits) AS w (step, since)
      JOIN unnest($1::text[], $2::float8[]) AS l (step, seconds) ON l.step = w.step
     WHERE c.open)
SELECT step, count(*) AS checkouts, min(since) AS since, count(*) FILTER (WHERE late) AS late,
       (array_agg(checkout_id ORDER BY since) FILTER (WHERE late))[1:$3] AS examples
  FROM w GROUP BY step
"""
_THROUGHPUT: Final = """
SELECT source, kind, count(*) AS entries, count(*) FILTER (WHERE cause LIKE 'gateway/%') AS answers
  FROM entries WHERE recorded_at > now() - make_interval(secs => $1) AND form = 'message' GROUP BY source, kind
"""
_AUTHORIZED: Final = """
SELECT currency, count(*) AS checkouts, sum(amount)::numeric AS amount, min((steps->>'PaymentAuthorized')::bigint) AS since
  FROM checkouts
 WHERE open AND steps ? 'PaymentAuthorized' AND NOT steps ?| ARRAY['PaymentCaptured', 'PaymentVoided', 'PaymentRefunded']
 GROUP BY currency ORDER BY checkouts DESC
"""
PAYMENT_OUTCOMES: Final = {
    "refunded": ("PaymentRefunded",),
    "voided": ("PaymentVoided",),
    "stuck": ("VoidFailed", "RefundFailed"),
    "captured": ("PaymentCaptured",),
    "due on delivery": ("PaymentDeferred",),
    "declined": ("PaymentDeclined",),
    "in progress": ("PaymentAuthorized",),
}
"""The possible outcomes of a payment, and the events that prove each; the first that matches counts."""
FAILURES: Final = ("CaptureFailed", "VoidFailed", "RefundFailed")
_CASES: Final = " ".join(f"WHEN steps ?| ARRAY{list(kinds)} THEN {name!r}" for name, kinds in PAYMENT_OUTCOMES.items())
_MONEY: Final = f"""
SELECT date_bin(make_interval(secs => $2), started_at, 'epoch') AS began, currency, CASE {_CASES} END AS outcome,
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
    """A checkout in a list. ``waits``: since when it waits in each step."""

    checkout_id: str
    order_number: str | None
    amount: int | None
    currency: str | None
    started_at: datetime
    outcome: str | None
    waits: Mapping[Step, datetime]


@dataclass(frozen=True)
class Queue:
    """The checkouts that wait in one step, the oldest ``since`` when.

    ``late``: how many of them are overdue, after ``limit`` seconds. ``examples``: ids of these, the oldest first.
    """

    step: Step
    checkouts: int
    since: datetime
    limit: float
    late: int
    examples: Sequence[str]


@dataclass(frozen=True)
class Throughput:
    """What was published in a period. ``emitted``: messages by writer and type; ``answers``: answers of the gateway."""

    emitted: Mapping[tuple[str, str], int]
    answers: int


@dataclass(frozen=True)
class Sum:
    """The total of several checkouts in one currency, in minor units. ``since``: when the oldest was authorized."""

    currency: str
    checkouts: int
    amount: int
    since: datetime | None = None


@dataclass(frozen=True)
class MoneyOutcome:
    """The payments with one outcome, a key of :data:`PAYMENT_OUTCOMES`, of the checkouts started in one interval."""

    began: datetime
    outcome: str
    total: Sum


async def latest(db: Any, which: str, limit: int, before: tuple[datetime, str] | None = None) -> list[Summary]:
    """List the checkouts started last.

    ``which``: ``all``, ``open`` (a step waits), ``needs_a_person`` (staff have to act), or an outcome. ``before``: the start
    and the id of the last checkout of the previous page.
    """
    rows = await db.fetch(_LATEST, *(before or (None, None)), which, limit)
    return [Summary(**{**row, "waits": _waits(row["waits"])}) for row in rows]


def _waits(packed: str | None) -> dict[Step, datetime]:
    found = json.loads(packed) if packed else {}
    return {step: moment(found[step.name]) for step in STEPS if step.name in found}


async def waiting(db: Any, limits: Limits) -> list[Queue]:
    """Count the checkouts that wait in each step, in the order in which a checkout meets the steps."""
    seconds = {step.name: limits.seconds(step) for step in STEPS}
    rows = {row["step"]: row for row in await db.fetch(_WAITING, list(seconds), list(seconds.values()), EXAMPLES)}
    return [
        Queue(step, row["checkouts"], moment(row["since"]), seconds[step.name], row["late"], row["examples"] or ())
        for step in STEPS
        if (row := rows.get(step.name))
    ]


async def throughput(db: Any, seconds: float) -> Throughput:
    """Count what was published in the last ``seconds``."""
    rows = await db.fetch(_THROUGHPUT, seconds)
    emitted = {(row["source"].removeprefix("/quadrille/"), row["kind"]): row["entries"] for row in rows}
    return Throughput(emitted, sum(row["answers"] for row in rows))


async def authorized(db: Any) -> list[Sum]:
    """Sum the payments that are authorized, and neither captured nor voided nor refunded."""
    rows = [row for row in await db.fetch(_AUTHORIZED) if row["currency"]]
    return [Sum(row["currency"], row["checkouts"], int(row["amount"] or 0), moment(row["since"])) for row in rows]


async def money(db: Any, seconds: float, interval: float) -> list[MoneyOutcome]:
    """Sum the payments of checkouts started in the last ``seconds``, by outcome and interval (seconds)."""
    rows = [row for row in await db.fetch(_MONEY, seconds, interval) if row["outcome"]]
    return [MoneyOutcome(row["began"], row["outcome"], _sum(row)) for row in rows]


async def failures(db: Any, seconds: float) -> dict[str, list[Sum]]:
    """Sum the failures, settled or not, of checkouts started in the last ``seconds``, for each of FAILURES."""
    rows = await db.fetch(_FAILURES, seconds, list(FAILURES))
    return {kind: [_sum(row) for row in rows if row["kind"] == kind] for kind in FAILURES}


def _sum(row: Mapping[str, Any]) -> Sum:
    return Sum(row["currency"], row["checkouts"], int(row["amount"] or 0))
