"""The tables of the journal."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0100"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "checkouts",
        sa.Column("checkout_id", sa.Text(collation="C"), nullable=False),
        sa.Column("cart_id", sa.Text(), nullable=False),
        sa.Column("order_number", sa.Text(collation="C"), nullable=True),
        sa.Column("authorization_id", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("steps", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("waits", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("warnings", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("open", sa.Boolean(), sa.Computed("waits IS NOT NULL", persisted=True), nullable=True),
        sa.Column("in_progress", sa.Boolean(), sa.Computed("waits - ARRAY['choose', 'settle'] <> '{}'", persisted=True)),
        sa.PrimaryKeyConstraint("checkout_id"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("checkouts_cart", "checkouts", ["cart_id"], unique=False)
    op.create_index(
        "checkouts_authorization",
        "checkouts",
        ["authorization_id"],
        unique=False,
        postgresql_where=sa.text("authorization_id IS NOT NULL"),
    )
    op.create_index("checkouts_in_progress", "checkouts", ["started_at"], postgresql_where=sa.text("in_progress"))
    op.create_index("checkouts_warned", "checkouts", ["checkout_id"], postgresql_where=sa.text("warnings IS NOT NULL"))
    op.create_index("checkouts_open", "checkouts", ["started_at"], unique=False, postgresql_where=sa.text("open"))
    op.create_index("checkouts_order", "checkouts", ["order_number"], unique=False)
    op.create_index("checkouts_started_at", "checkouts", ["started_at"], unique=False)
    op.create_table(
        "consumer_lag",
        sa.Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("lag", sa.BigInteger(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("partition"),
    )
    op.create_table(
        "entries",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(collation="C"), nullable=True),
        sa.Column("checkout_id", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
    )
    op.create_index(
        "entries_day",
        "entries",
        [sa.literal_column("CAST(timezone('UTC', recorded_at) AS date)"), "message_id"],
        unique=False,
        postgresql_where=sa.text("form IN ('message', 'refused')"),
    )
    op.create_index("entries_key", "entries", ["key"], unique=False)
    op.create_index(
        "entries_original",
        "entries",
        ["key", "message_id", "source"],
        unique=True,
        postgresql_where=sa.text("form IN ('message', 'refused')"),
    )
    op.create_index(
        "entries_place",
        "entries",
        ["topic", "partition", "offset", "recorded_at"],
        unique=True,
        postgresql_where=sa.text("form NOT IN ('message', 'refused')"),
    )
    op.create_index("entries_recorded_at", "entries", ["recorded_at"], unique=False)


def downgrade() -> None:
    op.drop_table("entries")
    op.drop_table("consumer_lag")
    op.drop_table("checkouts")
