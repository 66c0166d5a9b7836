"""Run by Alembic."""

from services.alerts.tables import metadata
from shared.runtime.postgres.migrations import run

run(metadata)
