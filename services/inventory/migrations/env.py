"""Run by Alembic."""

from services.inventory.tables import metadata
from shared.runtime.migrations import run

run(metadata)
