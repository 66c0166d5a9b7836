"""Where the journal is kept: its entries, how far each checkout is, and how far the journal itself has read."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Computed, DateTime, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from services.journal.model import ORIGINALS
from services.journal.queries import DAY

metadata = MetaData()

_original = text(f"form IN ({', '.join(repr(str(form)) for form in ORIGINALS)})")
_other = text(f"form NOT IN ({', '.join(repr(str(form)) for form in ORIGINALS)})")


def _key() -> Text:
    """Text that is looked up by its beginning."""
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
    Column("story", _key(), nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text),
    Column("message_id", _key()),
    Column("checkout_id", Text),
    Column("cause", Text),
    Column("facts", JSON, nullable=False),
    Index("entries_original", "story", "message_id", "source", unique=True, postgresql_where=_original),
    Index("entries_place", "topic", "partition", "offset", "recorded_at", unique=True, postgresql_where=_other),
    Index("entries_story", "story"),
    Index("entries_recorded_at", "recorded_at"),
    Index("entries_day", text(DAY), "message_id", postgresql_where=_original),
)
"""Ids of messages are random, and what begins with one touches another page with every entry, all of which are written to the
log whole after each checkpoint. So each index begins with what those that come at the same time have in common. A topic made
anew has the same places once more, so a place is known with the time its record came."""

checkouts = Table(
    "checkouts",
    metadata,
    Column("checkout_id", _key(), primary_key=True),
    Column("cart_id", Text, nullable=False),
    Column("order_number", _key()),
    Column("hold", Text),
    Column("amount", BigInteger),
    Column("currency", Text),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("moved_at", DateTime(timezone=True), nullable=False),
    Column("steps", JSONB, nullable=False),
    Column("outcome", Text),
    Column("waits", JSONB),
    Column("open", Boolean, Computed("waits IS NOT NULL", persisted=True)),
    Index("checkouts_cart", "cart_id"),
    Index("checkouts_order", "order_number"),
    Index("checkouts_hold", "hold", postgresql_where=text("hold IS NOT NULL")),
    Index("checkouts_started_at", "started_at"),
    Index("checkouts_open", "started_at", postgresql_where=text("open")),
    postgresql_with={"fillfactor": 70},
)
"""What changes with every step is in no index, and each page has room: so PostgreSQL updates a row within its page."""

reading = Table(
    "reading",
    metadata,
    Column("lane", Integer, primary_key=True, autoincrement=False),
    Column("behind", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
"""How many records of each lane wait in Kafka, and when that was so."""
