"""The tables of order."""

import sqlalchemy as sa
from alembic import op

from shared.runtime.postgres import first_tables

revision = "0100"
down_revision = None


def upgrade() -> None:
    first_tables.create()
    op.execute("CREATE SEQUENCE order_numbers START 1001")
    op.create_table(
        "checkouts",
        sa.Column("checkout_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("cart_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("quote", sa.JSON(), nullable=True),
        sa.Column("expected_total", sa.BigInteger(), nullable=True),
        sa.Column("reserved_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("totals", sa.JSON(), nullable=True),
        sa.Column("coupons_redeemed", sa.Boolean(), nullable=False),
        sa.Column("payment", sa.Text(), nullable=True),
        sa.Column("rejected", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("checkout_id"),
        sa.UniqueConstraint("number", name="one_number_an_order"),
    )
    op.create_index("checkouts_of_cart", "checkouts", ["cart_id"], unique=False)
    op.create_table(
        "coupons",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=True),
        sa.Column("percent_off", sa.Integer(), nullable=True),
        sa.Column("amount_off", sa.JSON(), nullable=False),
        sa.Column("minimum_subtotal", sa.JSON(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redemption_limit", sa.BigInteger(), nullable=True),
        sa.Column("redeemed", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("redeemed >= 0", name="never_given_back_twice"),
        sa.PrimaryKeyConstraint("code"),
    )


def downgrade() -> None:
    first_tables.drop()
    op.drop_table("coupons")
    op.drop_table("checkouts")
    op.execute("DROP SEQUENCE order_numbers")
