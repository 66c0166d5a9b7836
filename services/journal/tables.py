"""The journal's tables: entries, the progress of each checkout, and the journal's own lag."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Computed, DateTime, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from services.journal.model import ORIGINALS
from services.journal.queries import DAY
from shared.progress import STEPS, Pace

metadata = MetaData()

_original = text(f"form IN ({', '.join(repr(str(form)) for form in ORIGINALS)})")
_other = text(f"form NOT IN ({', '.join(repr(str(form)) for form in ORIGINALS)})")

_patient = [step.name for step in STEPS if step.pace in (Pace.CUSTOMER, Pace.PERSON)]
"""The steps that wait for a customer or for staff."""


def _key() -> Text:
    """Text that is looked up by prefix."""
    return Text(collation="C")


entries = Table(
    "entries",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("form", Text, nullable=False),
    Column("key", _key(), nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text),
    Column("message_id", _key()),
    Column("checkout_id", Text),
    Column("cause", Text),
    Column("facts", JSON, nullable=False),
    Index("entries_original", "key", "message_id", "source", unique=True, postgresql_where=_original),
    Index("entries_place", "topic", "partition", "offset", "recorded_at", unique=True, postgresql_where=_other),
    Index("entries_key", "key"),
    Index("entries_recorded_at", "recorded_at"),
    Index("entries_day", text(DAY), "message_id", postgresql_where=_original),
)
"""Message ids are random: an index that begins with one touches another page with every entry, and PostgreSQL writes each of
these pages to its log in full after a checkpoint. So each index begins with a column whose values come together in time. A
topic that was recreated has the same offsets again, so the time of a record is part of its position."""

checkouts = Table(
    "checkouts",
    metadata,
    Column("checkout_id", _key(), primary_key=True),
    Column("cart_id", Text, nullable=False),
    Column("order_number", _key()),
    Column("authorization_id", Text),
    Column("amount", BigInteger),
    Column("currency", Text),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("moved_at", DateTime(timezone=True), nullable=False),
    Column("steps", JSONB, nullable=False),
    Column("outcome", Text),
    Column("waits", JSONB),
    Column("warnings", JSONB),
    Column("open", Boolean, Computed("waits IS NOT NULL", persisted=True)),
    Column("in_progress", Boolean, Computed(f"waits - ARRAY{_patient} <> '{{}}'", persisted=True)),
    Index("checkouts_cart", "cart_id"),
    Index("checkouts_order", "order_number"),
    Index("checkouts_authorization", "authorization_id", postgresql_where=text("authorization_id IS NOT NULL")),
    Index("checkouts_started_at", "started_at"),
    Index("checkouts_open", "started_at", postgresql_where=text("open")),
    Index("checkouts_in_progress", "started_at", postgresql_where=text("in_progress")),
    Index("checkouts_warned", "checkout_id", postgresql_where=text("warnings IS NOT NULL")),
    postgresql_with={"fillfactor": 70},
)
"""No index has a column that changes with every step, and each page has free space: PostgreSQL updates rows in place (HOT).
``in_progress``: it waits for a service or the gateway, and not only for its customer or staff."""

consumer_lag = Table(
    "consumer_lag",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("lag", BigInteger, nullable=False),
    Column("reported_at", DateTime(timezone=True), nullable=False),
)
"""How many records of each partition the journal has not read, and when that was."""
