"""The tables of alerts, dead letters and notifications."""

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    text,
)

from services.alerts.model import Alert, DeadLetter, DeadRecord
from shared.runtime.postgres.store import Store, version_column
from shared.runtime.postgres.tables import runtime_tables

metadata = MetaData()
runtime_tables(metadata)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    version_column(),
    Column("state", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("checkout_id", Text),
    Column("times_seen", BigInteger, nullable=False),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    Column("last_seen_at", DateTime(timezone=True), nullable=False),
    Column("resolved_at", DateTime(timezone=True)),
    Column("notify_at", DateTime(timezone=True)),
    Column("dead_letters", JSON, nullable=False),
    Column("occurrences", JSON, nullable=False),
    Column("actions", JSON, nullable=False),
    Index("alerts_not_resolved", "first_seen_at", postgresql_where=text("state <> 'resolved'")),
    Index("alerts_to_notify", "notify_at", postgresql_where=text("notify_at IS NOT NULL")),
)

notifications = Table(
    "notifications",
    metadata,
    Column("target", Text, primary_key=True),
    Column("alert_id", Text, ForeignKey("alerts.alert_id", ondelete="CASCADE"), primary_key=True),
    Column("due_at", DateTime(timezone=True), nullable=False),
    Column("attempts", Integer, nullable=False),
    Index("notifications_due", "target", "due_at"),
    Index("notifications_of_alert", "alert_id"),
)
"""The queue of each target. A row is deleted once the target has accepted it."""

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("dead_letter_id", Text, primary_key=True),
    version_column(),
    Column("state", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("alert_id", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("redrive_partition", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("message_type", Text),
    Column("message_id", Text),
    Column("checkout_id", Text),
    Column("size", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("replays", Integer, nullable=False),
    Column("returned", Integer, nullable=False),
    Column("first_failed_at", DateTime(timezone=True), nullable=False),
    Column("last_failed_at", DateTime(timezone=True), nullable=False),
    Column("actions", JSON, nullable=False),
    Column("services", ARRAY(Text), nullable=False),
    Index("dead_letters_failed", "last_failed_at"),
    Index("dead_letters_not_resolved", "last_failed_at", postgresql_where=text("state <> 'resolved'")),
)

records = Table(
    "dead_records",
    metadata,
    Column("dead_letter_id", Text, ForeignKey("dead_letters.dead_letter_id", ondelete="CASCADE"), primary_key=True),
    version_column(),
    Column("key", LargeBinary),
    Column("value", LargeBinary),
    Column("headers", LargeBinary, nullable=False),
)
"""The original bytes of dead letters. Text columns could not hold them."""

arrivals = Table(
    "arrivals",
    metadata,
    Column("partition", Integer, primary_key=True),
    Column("offset", BigInteger, primary_key=True),
    Column("timestamp", BigInteger, primary_key=True),
    Column("dead_letter_id", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)
"""The records of the dead-letter topic that were saved, as long as the topic has them. ``timestamp``: Kafka's own; it tells
a recreated topic from the one before."""

reconciled = Table(
    "reconciled",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("marked_at", DateTime(timezone=True), nullable=False),
)
"""The offset up to which each partition of the dead-letter topic is saved (see :class:`~.reconcile.Mark`)."""

ALERTS = Store(Alert, alerts)
DEAD_LETTERS = Store(DeadLetter, dead_letters)
STORES = (DEAD_LETTERS, ALERTS, Store(DeadRecord, records))
"""In locking order."""
