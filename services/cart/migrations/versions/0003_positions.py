"""A cart knows its latest command, a product its latest fact: a redrive of an older one changes nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("carts", sa.Column("position", sa.BigInteger(), nullable=False, server_default="-1"))
    op.alter_column("carts", "position", server_default=None)
    op.add_column("products", sa.Column("position", sa.BigInteger(), nullable=False, server_default="-1"))
    op.alter_column("products", "position", server_default=None)


def downgrade() -> None:
    op.drop_column("products", "position")
    op.drop_column("carts", "position")
