"""A record that stands where one of a topic before it stood is another: it is known by when it came, too."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_OTHER = sa.text("form NOT IN ('message', 'refused')")
_PLACE = ["topic", "partition", "offset"]


def upgrade() -> None:
    op.drop_index("entries_place", "entries")
    op.create_index("entries_place", "entries", [*_PLACE, "recorded_at"], unique=True, postgresql_where=_OTHER)


def downgrade() -> None:
    op.execute(
        "DELETE FROM entries AS e USING entries AS later WHERE e.form NOT IN ('message', 'refused')"
        " AND later.form NOT IN ('message', 'refused') AND later.recorded_at > e.recorded_at"
        ' AND (e.topic, e.partition, e."offset") = (later.topic, later.partition, later."offset")'
    )
    op.drop_index("entries_place", "entries")
    op.create_index("entries_place", "entries", _PLACE, unique=True, postgresql_where=_OTHER)
