"""Run by Alembic."""

from services.alerts.tables import metadata
from shared.runtime.migrations import run

run(metadata)
