"""A reservation knows since when it holds its units: the latest are lost where a count finds too few."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("reservations", sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=True))
    live = sa.text("state IN ('held', 'extended', 'allocated')")
    op.create_index("reservations_live", "reservations", ["reserved_at"], unique=False, postgresql_where=live)


def downgrade() -> None:
    op.drop_index("reservations_live", table_name="reservations")
    op.drop_column("reservations", "reserved_at")
