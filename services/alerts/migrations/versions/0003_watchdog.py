"""The checkouts the watchdog follows."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "watched",
        sa.Column("checkout_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("seen", sa.JSON(), nullable=False),
        sa.Column("step", sa.Text(), nullable=True),
        sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("alerts", sa.JSON(), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("checkout_id"),
    )
    op.create_index("watched_overdue", "watched", ["overdue_at"], postgresql_where=sa.text("overdue_at IS NOT NULL"))
    op.create_index("watched_touched", "watched", ["touched_at"], postgresql_where=sa.text("overdue_at IS NULL"))


def downgrade() -> None:
    op.drop_index("watched_touched", table_name="watched", postgresql_where=sa.text("overdue_at IS NULL"))
    op.drop_index("watched_overdue", table_name="watched", postgresql_where=sa.text("overdue_at IS NOT NULL"))
    op.drop_table("watched")
