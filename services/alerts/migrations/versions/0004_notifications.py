"""A queue of notifications for each target, in place of one for all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "notifications",
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("target", "alert_id"),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.alert_id"], ondelete="CASCADE"),
    )
    op.create_index("notifications_due", "notifications", ["target", "due_at"])
    op.create_index("notifications_of_alert", "notifications", ["alert_id"])
    op.drop_column("alerts", "notify_attempts")


def downgrade() -> None:
    op.add_column("alerts", sa.Column("notify_attempts", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE alerts SET notify_at = now() WHERE state <> 'resolved' AND alert_id IN (SELECT alert_id FROM notifications)"
    )
    op.drop_table("notifications")
