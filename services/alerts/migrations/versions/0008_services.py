"""A dead letter is one for a record, however many services could not read it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("dead_letters", sa.Column("services", sa.ARRAY(sa.Text()), nullable=True))
    op.execute("UPDATE dead_letters SET services = ARRAY[service]")
    op.alter_column("dead_letters", "services", nullable=False)


def downgrade() -> None:
    op.drop_column("dead_letters", "services")
