"""What the gateway knows a payment by, and a payment under the same reference that is not ours."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("payments", sa.Column("reference", sa.Text(), nullable=True))
    op.add_column("payments", sa.Column("foreign_hold", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("payments", "foreign_hold")
    op.drop_column("payments", "reference")
