"""Run by Alembic."""

from services.order.tables import metadata
from shared.runtime.migrations import run

run(metadata)
