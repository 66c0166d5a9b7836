"""Finds and reads timelines, and the journal's own lag.

Each function takes a connection or a pool of asyncpg, because a command starts faster without SQLAlchemy.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.journal.model import ORIGINALS, Entry, Form
from shared.contract.order import order_number

CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 20
MATCHES: Final = 10
"""The most matches that are listed."""
MESSAGE_ID_PREFIX: Final = 8
"""The shortest prefix of a message's id that is looked up, in characters."""
ENTRY_LIMIT: Final = 2_000
"""The most entries of a timeline that are read: the latest."""

_COMPLETE: Final = re.compile(r"\d+|Q-\d{7,}|.+\.\d+", re.ASCII)
"""A complete name: an order number or a checkout's id. It is never looked up as a prefix."""

DAY: Final = "CAST(timezone('UTC', recorded_at) AS date)"
"""The first column of the index of message ids, which keeps the ids of a day together."""

_ENTRY_SQL: Final = ", ".join(f'"{field.name}"' for field in fields(Entry))
_FORMS: Final = ", ".join(f"'{form}'" for form in ORIGINALS)
_CALLS: Final = ("authorize", "capture", "void", "refund")
"""The gateway calls in payment's idempotency keys: ``<checkout id>:<call>:<number>``."""

_DAYS: Final = f"""days (day) AS (
    (SELECT {DAY} FROM entries WHERE form IN ({_FORMS}) ORDER BY 1 LIMIT 1)
    UNION ALL
    SELECT (SELECT {DAY} FROM entries WHERE {DAY} > day AND form IN ({_FORMS}) ORDER BY 1 LIMIT 1)
      FROM days WHERE day IS NOT NULL)"""
"""Every day that has messages, found by one index lookup each."""
_EXACT: Final = f"""
(SELECT 'order' AS kind, order_number AS name, cart_id AS key, checkout_id
   FROM checkouts WHERE order_number = ANY($1) LIMIT $2)
UNION ALL
(SELECT 'checkout', checkout_id, cart_id, checkout_id FROM checkouts WHERE checkout_id = ANY($1) LIMIT $2)
UNION ALL
(SELECT 'payment', authorization_id, cart_id, checkout_id FROM checkouts WHERE authorization_id = ANY($1) LIMIT $2)
UNION ALL
(SELECT 'key', key, key, NULL FROM entries WHERE key = $3 LIMIT 1)
UNION ALL
(WITH RECURSIVE {_DAYS}
 SELECT 'message', e.message_id, e.key, e.checkout_id FROM days CROSS JOIN LATERAL
   (SELECT * FROM entries WHERE {DAY} = day AND message_id = $4 AND form IN ({_FORMS}) LIMIT $2) AS e LIMIT $2)
"""
_PREFIX: Final = f"""
(SELECT 'order' AS kind, order_number AS name, cart_id AS key, checkout_id
   FROM checkouts WHERE order_number >= $1 AND order_number < $2 ORDER BY order_number LIMIT $3)
UNION ALL
(SELECT 'checkout', checkout_id, cart_id, checkout_id
   FROM checkouts WHERE checkout_id >= $1 AND checkout_id < $2 ORDER BY checkout_id LIMIT $3)
UNION ALL
(WITH RECURSIVE keys (key) AS (
    (SELECT key FROM entries WHERE key >= $1 AND key < $2 ORDER BY key LIMIT 1)
    UNION ALL
    SELECT (SELECT e.key FROM entries e WHERE e.key > keys.key AND e.key < $2 ORDER BY e.key LIMIT 1)
      FROM keys WHERE keys.key IS NOT NULL)
 SELECT 'key', key, key, NULL FROM keys WHERE key IS NOT NULL LIMIT $3)
UNION ALL
(WITH RECURSIVE {_DAYS}
 SELECT 'message', e.message_id, e.key, e.checkout_id FROM days CROSS JOIN LATERAL
   (SELECT * FROM entries WHERE {DAY} = day AND message_id >= $4 AND message_id < $2 AND form IN ({_FORMS})
     ORDER BY message_id LIMIT $3) AS e ORDER BY e.message_id LIMIT $3)
"""
_ENTRIES: Final = f"SELECT {_ENTRY_SQL} FROM entries WHERE key = ANY($1) ORDER BY recorded_at DESC LIMIT $2"
_ALERTS: Final = {"VoidFailed": "void", "RefundFailed": "refund"}
"""The failures that open an alert for their checkout, and the prefix of its id (contract, ``AlertId``)."""
_LAG: Final = "SELECT sum(lag) AS records, min(reported_at) AS reported_at, now() AS now FROM consumer_lag"


@dataclass(frozen=True)
class Match:
    """A match of a name. ``kind``: ``order``, ``checkout``, ``payment``, ``message``, or ``key``: a cart, SKU or coupon."""

    kind: str
    name: str
    key: str
    checkout_id: str | None


@dataclass(frozen=True)
class JournalLag:
    """How many records the journal has not read yet, and when it last reported that; ``None`` if it has never run."""

    records: int
    reported_at: datetime | None
    now: datetime


async def connect(url: str) -> asyncpg.Connection:
    """Open one connection to the journal's database, with timeouts."""
    return await asyncpg.connect(url, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS)


async def find(db: Any, name: str) -> list[Match]:
    """Find exact matches of a name, else matches of it as a prefix. At most :data:`MATCHES` of each kind, and one more.

    Digits alone are an order number, or the whole name of a cart, SKU or coupon; never a message or a prefix. A message's
    id may be shortened to :data:`MESSAGE_ID_PREFIX` characters. A payment is found by its gateway reference (the
    checkout's id), by one of its idempotency keys, or by its authorization if a void or refund of it failed.
    """
    message_id = None if _is_digits(name) else name
    rows = await db.fetch(_EXACT, _other_names(name), MATCHES + 1, name, message_id)
    if not rows and not _COMPLETE.fullmatch(name):
        prefix = name if len(name) >= MESSAGE_ID_PREFIX else None
        rows = await db.fetch(_PREFIX, name, name + "\U0010ffff", MATCHES + 1, prefix)
    return [Match(**row) for row in rows]


def unknown(name: str) -> str:
    """The error for a name without a match."""
    if _is_digits(name):
        return f"no order {_order_number(name)}, and no cart or SKU {name!r}, is in the journal"
    return f"no order, checkout, cart, payment, SKU or message {name!r} is in the journal"


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


async def entries(db: Any, key: str) -> list[Entry]:
    """Read the latest :data:`ENTRY_LIMIT` entries of a cart, SKU or coupon, with the alerts of its payments, oldest first."""
    found = [_entry(row) for row in await db.fetch(_ENTRIES, [key], ENTRY_LIMIT)]
    alerts = {f"{_ALERTS[e.kind]}:{e.checkout_id}" for e in found if e.kind in _ALERTS and e.checkout_id}
    if alerts:
        found += [_entry(row) for row in await db.fetch(_ENTRIES, sorted(alerts), ENTRY_LIMIT)]
    return sorted(found, key=lambda entry: entry.recorded_at)


async def lag(db: Any) -> JournalLag:
    """Read how far the journal is behind."""
    row = await db.fetchrow(_LAG)
    return JournalLag(int(row["records"] or 0), row["reported_at"], row["now"])


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(**{**row, "form": Form(row["form"]), "facts": json.loads(row["facts"])})
