"""The sandbox's durable ledger: one SQLite file of payments, idempotency keys and counts of faults.

``synchronous=FULL``: an answer the shop has seen must outlive even a power cut, or its databases, which do sync,
would know of money the gateway forgot. Group commits (:mod:`devstack.sandbox.commits`) make that cheap.
"""

import sqlite3
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Final

from devstack.sandbox.intents import Intent

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS intents (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    reference TEXT NOT NULL,
    token TEXT NOT NULL,
    description TEXT NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    created REAL NOT NULL,
    expires_at REAL NOT NULL,
    updated REAL NOT NULL,
    captured INTEGER NOT NULL CHECK (captured BETWEEN 0 AND amount),
    refunded INTEGER NOT NULL CHECK (refunded BETWEEN 0 AND captured),
    voided INTEGER NOT NULL CHECK (NOT (voided AND captured > 0)),
    declined TEXT,
    held INTEGER,
    ready REAL NOT NULL,
    challenged INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    settles REAL NOT NULL,
    failing INTEGER NOT NULL,
    refund_failed INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS intents_by_reference ON intents (reference);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY,
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS keys_by_age ON keys (at);
CREATE TABLE IF NOT EXISTS fault_counts (
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (who, what)
) STRICT, WITHOUT ROWID;
"""
_NAMES: Final = tuple(field.name for field in fields(Intent))
_FIELDS: Final = ", ".join(_NAMES)
_PLACES: Final = ", ".join("?" * len(_NAMES))
_VALUES: Final = attrgetter(*_NAMES)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What was first answered to an idempotency key, and the fingerprint of what had been asked."""

    fingerprint: bytes
    status: int
    body: bytes


class Ledger:
    """One connection to the ledger. A file may have one writer and any number of readers."""

    def __init__(self, path: Path, *, read_only: bool = False, durable: bool = True) -> None:
        """Open the file, making it where it is missing; ``read_only`` needs it to be there.

        ``durable``: what is committed survives a power cut, at the price of a sync.

        Raises :class:`sqlite3.Error` where the file cannot be opened or is no ledger.
        """
        address = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._db = sqlite3.connect(address, uri=True, timeout=5, isolation_level=None, check_same_thread=False)
        try:
            if not read_only:
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'OFF'}")
                self._db.executescript(SCHEMA)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def begin(self) -> None:
        """Begin a transaction that may write."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the transaction durable."""
        self._db.execute("COMMIT")

    def roll_back(self) -> None:
        """Undo the transaction, if there is one."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def find(self, intent_id: str) -> Intent | None:
        """The payment with this id."""
        row = self._db.execute(f"SELECT {_FIELDS} FROM intents WHERE id = ?", (intent_id,)).fetchone()
        return Intent(*row) if row else None

    def with_reference(self, reference: str, most: int = 100) -> list[Intent]:
        """The payments made under one reference, the newest first: more than one only where a client asked twice."""
        rows = self._db.execute(
            f"SELECT {_FIELDS} FROM intents WHERE reference = ? ORDER BY seq DESC LIMIT ?", (reference, most)
        )
        return [Intent(*row) for row in rows]

    def page(self, since: int, most: int) -> list[tuple[int, int, Intent]]:
        """Up to ``most`` payments after number ``since``, oldest first: number, charges of its reference, payment.

        Charges are the payments under that reference that ever held money.
        """
        rows = self._db.execute(
            f"SELECT seq, (SELECT count(*) FROM intents AS i WHERE i.reference = o.reference AND i.declined IS NULL), "
            f"{_FIELDS} FROM intents AS o WHERE seq > ? ORDER BY seq LIMIT ?",
            (since, most),
        )
        return [(row[0], row[1], Intent(*row[2:])) for row in rows]

    def add(self, intent: Intent) -> None:
        """Write a new payment."""
        self._db.execute(f"INSERT INTO intents ({_FIELDS}) VALUES ({_PLACES})", _VALUES(intent))

    def update(self, intent: Intent) -> None:
        """Write what captures, voids and refunds change."""
        self._db.execute(
            "UPDATE intents SET captured = ?, refunded = ?, voided = ?, updated = ?, pending = ?, settles = ?, failing = ?,"
            " refund_failed = ? WHERE id = ?",
            (
                *(intent.captured, intent.refunded, intent.voided, intent.updated),
                *(intent.pending, intent.settles, intent.failing, intent.refund_failed, intent.id),
            ),
        )

    def answer(self, key: str, not_before: float) -> StoredAnswer | None:
        """What was first answered to the key, unless that was before ``not_before`` (seconds since 1970)."""
        row = self._db.execute(
            "SELECT fingerprint, status, body FROM keys WHERE key = ? AND at > ?", (key, not_before)
        ).fetchone()
        return StoredAnswer(*row) if row else None

    def keep_answer(self, key: str, answer: StoredAnswer, now: float) -> None:
        """Remember the answer to a key; what an earlier, forgotten use of it left is replaced."""
        self._db.execute(
            "INSERT OR REPLACE INTO keys (key, fingerprint, status, body, at) VALUES (?, ?, ?, ?, ?)",
            (key, answer.fingerprint, answer.status, answer.body, now),
        )

    def forget_answers(self, not_after: float, most: int = 2000) -> int:
        """Delete up to ``most`` answers given at or before ``not_after``; returns how many."""
        statement = "DELETE FROM keys WHERE key IN (SELECT key FROM keys WHERE at <= ? LIMIT ?)"
        return self._db.execute(statement, (not_after, most)).rowcount

    def fault_count(self, who: str, what: str) -> int:
        """How often ``what`` has happened to ``who``."""
        row = self._db.execute("SELECT times FROM fault_counts WHERE who = ? AND what = ?", (who, what)).fetchone()
        return int(row[0]) if row else 0

    def count_fault(self, who: str, what: str) -> None:
        """Count one more time that ``what`` happened to ``who``."""
        self._db.execute("INSERT INTO fault_counts VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET times = times + 1", (who, what))
