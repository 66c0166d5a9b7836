"""Run by Alembic."""

from services.cart.tables import metadata
from shared.runtime.migrations import run

run(metadata)
