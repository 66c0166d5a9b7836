"""Commits of members that read a lane for its owner are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("ownership", sa.Column("visits", sa.BigInteger(), server_default="0", nullable=False))


def downgrade() -> None:
    op.drop_column("ownership", "visits")
