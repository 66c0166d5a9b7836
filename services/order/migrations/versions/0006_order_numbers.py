"""Orders alone are numbered, when they are made: a number that every change of an attempt drew was lost."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("CREATE SEQUENCE order_numbers START 1001")
    op.execute("SELECT setval('order_numbers', max(number)) FROM checkouts HAVING max(number) IS NOT NULL")
    op.execute("ALTER TABLE checkouts ALTER COLUMN number DROP IDENTITY")
    op.alter_column("checkouts", "number", existing_type=sa.BigInteger(), nullable=True)
    op.execute("UPDATE checkouts SET number = NULL WHERE state NOT IN ('created', 'confirmed', 'cancelled')")


def downgrade() -> None:
    op.execute("UPDATE checkouts SET number = nextval('order_numbers') WHERE number IS NULL")
    op.alter_column("checkouts", "number", existing_type=sa.BigInteger(), nullable=False)
    op.execute("ALTER TABLE checkouts ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (START 1001)")
    op.execute(
        "SELECT setval(pg_get_serial_sequence('checkouts', 'number'), max(number)) FROM checkouts"
        " HAVING max(number) IS NOT NULL"
    )
    op.execute("DROP SEQUENCE order_numbers")
