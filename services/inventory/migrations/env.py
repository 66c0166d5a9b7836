"""Run by Alembic."""

from services.inventory.tables import metadata
from shared.runtime.postgres.migrations import run

run(metadata)
