"""Where the watchdog keeps the checkouts it follows."""

from sqlalchemy import JSON, Column, DateTime, Index, Table, Text

from services.alerts.tables import metadata
from services.alerts.watchdog.watched import Watched
from shared.runtime.store import Store, version_column

watched = Table(
    "watched",
    metadata,
    Column("checkout_id", Text, primary_key=True),
    version_column(),
    Column("seen", JSON, nullable=False),
    Column("step", Text),
    Column("overdue_at", DateTime(timezone=True)),
    Column("outcome", Text),
    Column("alerts", JSON, nullable=False),
    Column("touched_at", DateTime(timezone=True), nullable=False),
)
Index("watched_overdue", watched.c.overdue_at, postgresql_where=watched.c.overdue_at.is_not(None))
Index("watched_touched", watched.c.touched_at, postgresql_where=watched.c.overdue_at.is_(None))
"""A checkout that waits for nothing is kept for a while, so that what comes late does not begin it anew."""

WATCHED: Store[Watched] = Store(Watched, watched)
