"""A product knows which of its prices are in currencies this shop does not know: they are told once."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("products", sa.Column("ignored", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"))
    op.alter_column("products", "ignored", server_default=None)


def downgrade() -> None:
    op.drop_column("products", "ignored")
