"""Run by Alembic."""

from services.payment.tables import metadata
from shared.runtime.migrations import run

run(metadata)
