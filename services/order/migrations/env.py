"""Run by Alembic."""

from services.order.tables import metadata
from shared.runtime.postgres.migrations import run

run(metadata)
