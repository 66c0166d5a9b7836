"""The tables of payment."""

import sqlalchemy as sa
from alembic import op

from shared.runtime.postgres import first_tables

revision = "0100"
down_revision = None


def upgrade() -> None:
    first_tables.create()
    op.create_table(
        "gateway_health",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("gateway"),
    )
    op.create_table(
        "payments",
        sa.Column("checkout_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cart_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("token", sa.Text(), nullable=True),
        sa.Column("authorization_id", sa.Text(), nullable=True),
        sa.Column("unwanted", sa.Boolean(), nullable=False),
        sa.Column("operation", sa.JSON(), nullable=True),
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("keys", sa.Integer(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("foreign_id", sa.Text(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("checkout_id"),
    )
    op.create_index(
        "payments_due", "payments", ["partition", "due_at"], unique=False, postgresql_where=sa.text("due_at IS NOT NULL")
    )


def downgrade() -> None:
    first_tables.drop()
    op.drop_table("payments")
    op.drop_table("gateway_health")
