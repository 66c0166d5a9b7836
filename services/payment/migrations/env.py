"""Run by Alembic."""

from services.payment.tables import metadata
from shared.runtime.postgres.migrations import run

run(metadata)
