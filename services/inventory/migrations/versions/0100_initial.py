"""The tables of inventory."""

import sqlalchemy as sa
from alembic import op

from shared.runtime.postgres import first_tables

revision = "0100"
down_revision = None


def upgrade() -> None:
    first_tables.create()
    op.create_table(
        "reservations",
        sa.Column("checkout_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cart_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=True),
        sa.Column("units", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("loss", sa.JSON(), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("partition", sa.Integer(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("checkout_id"),
    )
    op.create_index(
        "reservations_due",
        "reservations",
        ["partition", "due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index(
        "reservations_live",
        "reservations",
        ["reserved_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('held', 'extended', 'allocated')"),
    )
    op.create_table(
        "stocks",
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("adjusted", sa.BigInteger(), nullable=False),
        sa.Column("committed", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("received + adjusted = on_hand + committed", name="nothing_lost"),
        sa.CheckConstraint("reserved >= 0 AND reserved <= on_hand", name="never_oversold"),
        sa.PrimaryKeyConstraint("sku"),
    )


def downgrade() -> None:
    first_tables.drop()
    op.drop_table("stocks")
    op.drop_table("reservations")
