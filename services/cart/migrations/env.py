"""Run by Alembic."""

from services.cart.tables import metadata
from shared.runtime.postgres.migrations import run

run(metadata)
