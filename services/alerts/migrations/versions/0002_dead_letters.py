"""Dead letters and what was done about them; alerts are known by what they are about.

Alerts of dead letters begin anew: every record that the topic still has is read again. Alerts of money stay.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _runtime()
    _alerts()
    op.create_table(
        "dead_letters",
        sa.Column("letter_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("state", "kind", "alert_id", "service", "stage", "topic")),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("error", "reason", "cause")),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("message_type", "message_id", "checkout_id")),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("replays", sa.Integer(), nullable=False),
        sa.Column("returned", sa.Integer(), nullable=False),
        sa.Column("first_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actions", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("letter_id"),
    )
    op.create_index("dead_letters_failed", "dead_letters", ["last_failed_at"])
    op.create_index(
        "dead_letters_not_resolved", "dead_letters", ["last_failed_at"], postgresql_where=sa.text("state <> 'resolved'")
    )
    op.create_table(
        "dead_records",
        sa.Column("letter_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["letter_id"], ["dead_letters.letter_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("letter_id"),
    )
    op.create_table(
        "arrivals",
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("letter_id", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("partition", "offset", "timestamp"),
    )


def _runtime() -> None:
    op.create_table(
        "inbox",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("source", "id"),
    )
    op.create_index("inbox_seen_at", "inbox", ["seen_at"])
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("lane", sa.Integer(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("value", sa.LargeBinary(), nullable=True),
        sa.Column("headers", sa.LargeBinary(), nullable=False),
        sa.Column("set_aside", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outbox_lane", "outbox", ["lane", "id"])
    op.create_table(
        "ownership",
        sa.Column("lane", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("lane"),
    )


def _alerts() -> None:
    op.add_column("alerts", sa.Column("version", sa.Integer(), server_default="1", nullable=False))
    op.add_column("alerts", sa.Column("notify_at", sa.DateTime(timezone=True)))
    op.add_column("alerts", sa.Column("notify_attempts", sa.Integer(), server_default="0", nullable=False))
    for name in ("letters", "occurrences", "actions"):
        op.add_column("alerts", sa.Column(name, sa.JSON(), server_default="[]", nullable=False))
    op.execute(
        "UPDATE alerts SET occurrences = coalesce((SELECT json_agg(substr(occurrence, 7) ORDER BY at) FROM occurrences o"
        " WHERE o.identity = alerts.identity AND occurrence LIKE 'event:%'), '[]'),"
        " notify_at = (SELECT min(due_at) FROM notifications n WHERE n.alert_id = alerts.id AND sent_at IS NULL)"
    )
    op.drop_table("notifications")
    op.execute("DELETE FROM alerts WHERE kind IN ('unreadable', 'unhandled')")
    op.drop_index("alerts_not_resolved", table_name="alerts")
    op.drop_column("alerts", "id")  # and with it the primary key
    op.drop_constraint("alerts_identity_key", "alerts")
    op.alter_column("alerts", "identity", new_column_name="alert_id")
    op.create_primary_key("alerts_pkey", "alerts", ["alert_id"])
    names = ("version", "state", "times_seen", "first_seen_at", "last_seen_at", "notify_attempts")
    for name in (*names, "letters", "occurrences", "actions"):
        op.alter_column("alerts", name, server_default=None)
    op.create_index("alerts_not_resolved", "alerts", ["first_seen_at"], postgresql_where=sa.text("state <> 'resolved'"))
    op.create_index("alerts_to_notify", "alerts", ["notify_at"], postgresql_where=sa.text("notify_at IS NOT NULL"))
    op.drop_table("occurrences")
    op.drop_table("seen")


def downgrade() -> None:
    raise NotImplementedError("restore the database from before: dead letters cannot be taken apart again")
