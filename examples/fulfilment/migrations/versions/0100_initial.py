"""The tables of fulfilment."""

import sqlalchemy as sa
from alembic import op

from shared.runtime.postgres import first_tables

revision = "0100"
down_revision = None


def upgrade() -> None:
    first_tables.create()
    op.create_table(
        "parcels",
        sa.Column("checkout_id", sa.Text(), primary_key=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("order_number", sa.Text(), nullable=False),
        sa.Column("shipped_at", sa.DateTime(timezone=True), nullable=True),
    )


def downgrade() -> None:
    first_tables.drop()
    op.drop_table("parcels")
