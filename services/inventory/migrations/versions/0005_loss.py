"""What a reservation lost when the count was corrected, until that is told."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("reservations", sa.Column("loss", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("reservations", "loss")
