"""The first version of the runtime's own tables, as the first migration of every service makes them. It never changes."""

import sqlalchemy as sa
from alembic import op

REFUSE = """
CREATE FUNCTION refuse(why text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'QD001', MESSAGE = why;
END $$"""
"""What a commit of one statement calls where it must not stand."""


def create() -> None:
    """Create inbox, outbox and ownership, and the function by which a commit refuses itself."""
    op.create_table(
        "inbox",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("source", "id"),
    )
    op.create_index("inbox_seen_at", "inbox", ["seen_at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("home", sa.Integer(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("quarantined", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outbox_home", "outbox", ["home", "id"], unique=False)
    op.create_table(
        "ownership",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("visits", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("partition"),
    )
    op.execute(REFUSE)


def drop() -> None:
    """Drop them."""
    op.execute("DROP FUNCTION refuse(text)")
    for name in ("ownership", "outbox", "inbox"):
        op.drop_table(name)
