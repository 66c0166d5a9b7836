"""Run by Alembic."""

from services.journal.tables import metadata
from shared.runtime.postgres.migrations import run

run(metadata)
