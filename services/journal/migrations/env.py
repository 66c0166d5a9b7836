"""Run by Alembic."""

from services.journal.tables import metadata
from shared.runtime.migrations import run

run(metadata)
