"""The attempts of a cart are found: what names one that cannot be is refused."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index("checkouts_of_cart", "checkouts", ["cart_id"], unique=False)


def downgrade() -> None:
    op.drop_index("checkouts_of_cart", table_name="checkouts")
