"""Reads the journal. Each function takes a connection or a pool of asyncpg, so that a command starts fast."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.journal.model import ORIGINALS, Entry, Form, moment
from shared.contract.order import order_number
from shared.progress import STEPS, Limits, Step

CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 20
MATCHES: Final = 10
"""How many matches are named."""
MESSAGE_ID_BEGINNING: Final = 8
"""The fewest characters of a message's id that stand for the whole of it."""
STORY_LIMIT: Final = 2_000
"""The most records of a story that are read: its latest."""
EXAMPLES: Final = 5

_COMPLETE: Final = re.compile(r"\d+|Q-\d{7,}|.+\.\d+", re.ASCII)
"""A name that is all there is of it: an order's number, a checkout's id. What begins so is something else."""

DAY: Final = "CAST(timezone('UTC', recorded_at) AS date)"
"""By what the ids of messages are ordered first: those of a day are together in the index, whatever they are."""

_ENTRY_SQL: Final = ", ".join(f'"{field.name}"' for field in fields(Entry))
_FORMS: Final = ", ".join(f"'{form}'" for form in ORIGINALS)
_CALLS: Final = ("authorize", "capture", "void", "refund")
"""The calls to the gateway, as they stand in payment's idempotency keys: ``<checkout id>:<call>:<number>``."""

_DAYS: Final = f"""days (day) AS (
    (SELECT {DAY} FROM entries WHERE form IN ({_FORMS}) ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT {DAY} FROM entries WHERE {DAY} > day AND form IN ({_FORMS}) ORDER BY 1 LIMIT 1)
      FROM days WHERE day IS NOT NULL)"""
"""Every day of which there are messages, found by one look into the index each."""
_EXACT: Final = f"""
(SELECT 'order' AS kind, order_number AS name, cart_id AS story, checkout_id
   FROM checkouts WHERE order_number = ANY($1) LIMIT $2)
UNION ALL
(SELECT 'checkout', checkout_id, cart_id, checkout_id FROM checkouts WHERE checkout_id = ANY($1) LIMIT $2)
UNION ALL
(SELECT 'payment', hold, cart_id, checkout_id FROM checkouts WHERE hold = ANY($1) LIMIT $2)
UNION ALL
(SELECT 'key', story, story, NULL FROM entries WHERE story = $3 LIMIT 1)
UNION ALL
(WITH RECURSIVE {_DAYS}
 SELECT 'message', e.message_id, e.story, e.checkout_id FROM days CROSS JOIN LATERAL
   (SELECT * FROM entries WHERE {DAY} = day AND message_id = $4 AND form IN ({_FORMS}) LIMIT $2) AS e LIMIT $2)
"""
_PREFIX: Final = f"""
(SELECT 'order' AS kind, order_number AS name, cart_id AS story, checkout_id
   FROM checkouts WHERE order_number >= $1 AND order_number < $2 ORDER BY order_number LIMIT $3)
UNION ALL
(SELECT 'checkout', checkout_id, cart_id, checkout_id
   FROM checkouts WHERE checkout_id >= $1 AND checkout_id < $2 ORDER BY checkout_id LIMIT $3)
UNION ALL
(WITH RECURSIVE keys (story) AS (
    (SELECT story FROM entries WHERE story >= $1 AND story < $2 ORDER BY story LIMIT 1)
    UNION ALL
    SELECT (SELECT e.story FROM entries e WHERE e.story > keys.story AND e.story < $2 ORDER BY e.story LIMIT 1)
      FROM keys WHERE keys.story IS NOT NULL)
 SELECT 'key', story, story, NULL FROM keys WHERE story IS NOT NULL LIMIT $3)
UNION ALL
(WITH RECURSIVE {_DAYS}
 SELECT 'message', e.message_id, e.story, e.checkout_id FROM days CROSS JOIN LATERAL
   (SELECT * FROM entries WHERE {DAY} = day AND message_id >= $4 AND message_id < $2 AND form IN ({_FORMS})
     ORDER BY message_id LIMIT $3) AS e ORDER BY e.message_id LIMIT $3)
"""
_STORY: Final = f"SELECT {_ENTRY_SQL} FROM entries WHERE story = ANY($1) ORDER BY recorded_at DESC LIMIT $2"
_ALERTS: Final = {"VoidFailed": "void", "RefundFailed": "refund"}
"""The failures that open an alert of their checkout, and what its name begins with (contract, ``AlertId``)."""
_READING: Final = "SELECT sum(behind) AS behind, min(at) AS at, now() AS now FROM reading"
_STUCK: Final = """
SELECT w.step, count(*) AS count, min(w.since::bigint) AS since,
       (array_agg(c.checkout_id ORDER BY w.since::bigint))[1:$3] AS examples
  FROM checkouts c CROSS JOIN jsonb_each_text(c.waits) AS w (step, since)
  JOIN unnest($1::text[], $2::float8[]) AS l (step, seconds) ON l.step = w.step
 WHERE c.open AND to_timestamp(w.since::float8 / 1000) < now() - make_interval(secs => l.seconds)
 GROUP BY w.step
"""


@dataclass(frozen=True)
class Match:
    """What a text names. ``kind``: ``order``, ``checkout``, ``payment``, ``message``, or ``key``: a cart, SKU or coupon."""

    kind: str
    name: str
    story: str
    checkout_id: str | None


@dataclass(frozen=True)
class Reading:
    """How far the journal has read: records that wait, and when it last said so; never, where it has not run yet."""

    behind: int
    at: datetime | None
    now: datetime


@dataclass(frozen=True)
class Stuck:
    """Checkouts that wait longer than they should in one step. ``examples``: ids, the longest waiting first."""

    step: Step
    should_take: float
    count: int
    since: datetime
    examples: tuple[str, ...]


async def connect(url: str) -> asyncpg.Connection:
    """One connection to the journal's database, with limits on everything."""
    return await asyncpg.connect(url, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS)


async def find(db: Any, name: str) -> list[Match]:
    """What is called so; where nothing is, what begins so. At most :data:`MATCHES` of each kind, and one more.

    Digits alone are an order's number (or the whole name of a cart, SKU or coupon), never a message or the beginning of
    anything. A message's id may be shortened to :data:`MESSAGE_ID_BEGINNING` characters. A payment is named by its gateway
    reference (its checkout's id), by one of its idempotency keys, or by its hold where a void or refund of it failed.
    """
    message_id = None if _is_digits(name) else name
    rows = await db.fetch(_EXACT, _other_names(name), MATCHES + 1, name, message_id)
    if not rows and not _COMPLETE.fullmatch(name):
        beginning = name if len(name) >= MESSAGE_ID_BEGINNING else None
        rows = await db.fetch(_PREFIX, name, name + "\U0010ffff", MATCHES + 1, beginning)
    return [Match(**row) for row in rows]


def unknown(name: str) -> str:
    """That nothing is called so, nor begins so where that is looked for."""
    if _is_digits(name):
        return f"there is no order {_order_number(name)}, nor is a cart or SKU called {name!r}"
    return f"the journal knows no order, checkout, cart, payment, SKU or message {name!r}"


def _is_digits(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _order_number(digits: str) -> str:
    return order_number(int(digits)) if len(digits) <= 18 else digits


def _other_names(name: str) -> list[str]:
    names = [name]
    if _is_digits(name):
        names.append(_order_number(name))
    reference, *call = name.rsplit(":", 2)
    if len(call) == 2 and call[0] in _CALLS:
        names.append(reference)
    return names


async def story(db: Any, key: str) -> list[Entry]:
    """The records of a cart, SKU or coupon as they were published, with the alerts of its money.

    Of a very long story the latest.
    """
    entries = [_entry(row) for row in await db.fetch(_STORY, [key], STORY_LIMIT)]
    alerts = {f"{_ALERTS[e.kind]}:{e.checkout_id}" for e in entries if e.kind in _ALERTS and e.checkout_id}
    if alerts:
        entries += [_entry(row) for row in await db.fetch(_STORY, sorted(alerts), STORY_LIMIT)]
    return sorted(entries, key=lambda entry: entry.recorded_at)


async def reading(db: Any) -> Reading:
    """How far the journal has read."""
    row = await db.fetchrow(_READING)
    return Reading(int(row["behind"] or 0), row["at"], row["now"])


async def stuck(db: Any, limits: Limits) -> list[Stuck]:
    """Everything that waits longer than its step should take, by step, in the order a checkout meets them."""
    seconds = {step.name: limits.seconds(step) for step in STEPS}
    rows = await db.fetch(_STUCK, list(seconds), list(seconds.values()), EXAMPLES)
    found = {row["step"]: row for row in rows}
    return [_stuck(step, seconds[step.name], found[step.name]) for step in STEPS if step.name in found]


def _stuck(step: Step, seconds: float, row: Mapping[str, Any]) -> Stuck:
    examples: Sequence[str] = row["examples"]
    return Stuck(step, seconds, row["count"], moment(row["since"]), tuple(examples))


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(**{**row, "form": Form(row["form"]), "facts": json.loads(row["facts"])})
