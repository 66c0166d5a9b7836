"""Run by Alembic."""

from examples.fulfilment.tables import metadata
from shared.runtime.postgres.migrations import run

run(metadata)
