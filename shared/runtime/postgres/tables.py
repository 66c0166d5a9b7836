"""The runtime's own tables, the same in every service's database."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
)


def runtime_tables(metadata: MetaData) -> None:
    """Declare inbox, outbox and ownership.

    ``partition``: a number, the same in every topic. ``inbox``: what was handled, by CloudEvents source and
    id, with a digest of its content. ``outbox``: what is committed and not yet acknowledged by the broker.
    ``ownership``: who may commit for a partition; a member with an older epoch may not; ``visits`` counts commits of other
    members beside its owner's.
    """
    Table(
        "inbox",
        metadata,
        Column("source", Text, primary_key=True),
        Column("id", Text, primary_key=True),
        Column("digest", LargeBinary),
        Column("seen_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Index("inbox_seen_at", "seen_at"),
    )
    Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("home", Integer, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", LargeBinary),
        Column("value", LargeBinary),
        Column("headers", LargeBinary, nullable=False),
        Column("quarantined", Text),
        Index("outbox_home", "home", "id"),
    )
    Table(
        "ownership",
        metadata,
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("epoch", BigInteger, nullable=False),
        Column("owner", Text, nullable=False),
        Column("visits", BigInteger, nullable=False, server_default="0"),
    )
