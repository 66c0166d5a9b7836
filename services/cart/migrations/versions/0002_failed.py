"""A cart knows whether its latest attempt was confirmed and came to nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("carts", sa.Column("failed", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column("carts", "failed", server_default=None)


def downgrade() -> None:
    op.drop_column("carts", "failed")
