"""Indices that entries of the same time share the pages of: what is random no longer comes first in any.

It takes minutes where there are millions of entries. The journal waits meanwhile, and nobody waits for the journal.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ORIGINAL = sa.text("form IN ('message', 'refused')")


def upgrade() -> None:
    op.create_index("entries_original", "entries", ["story", "message_id", "source"], unique=True, postgresql_where=_ORIGINAL)
    day = sa.text("CAST(timezone('UTC', recorded_at) AS date)")
    op.create_index("entries_day", "entries", [day, "message_id"], unique=False, postgresql_where=_ORIGINAL)
    op.drop_index("entries_message", "entries")


def downgrade() -> None:
    op.create_index("entries_message", "entries", ["message_id", "source"], unique=True, postgresql_where=_ORIGINAL)
    op.drop_index("entries_day", "entries")
    op.drop_index("entries_original", "entries")
