"""A coupon knows its latest definition: a redrive of an older one changes nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("coupons", sa.Column("position", sa.BigInteger(), nullable=False, server_default="-1"))
    op.alter_column("coupons", "position", server_default=None)


def downgrade() -> None:
    op.drop_column("coupons", "position")
