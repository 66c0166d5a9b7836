"""Alembic migrations of a service's database, run from code: no ini file, no second place for the address."""

import asyncio
from pathlib import Path
from types import ModuleType

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData

from shared.errors import QuadrilleError
from shared.runtime.postgres.database import is_away, open_engine
from shared.runtime.schedule import Schedule


class MigrationsError(QuadrilleError):
    """The database is not at the version this code was written for."""


def config(migrations: ModuleType) -> Config:
    """Alembic's configuration for a service's ``migrations`` package."""
    made = Config()
    made.set_main_option("script_location", str(Path(next(iter(migrations.__path__)))))
    made.set_main_option("path_separator", "os")
    return made


async def upgrade(url: str, migrations: ModuleType) -> None:
    """Bring a database to the newest version. Raises :class:`MigrationsError` where it is at one this code does not know."""
    try:
        # an index of millions of rows takes as long as it takes
        async with open_engine(url, seconds=None) as engine, engine.begin() as connection:
            await connection.run_sync(_upgrade, config(migrations))
    except CommandError as error:
        name = migrations.__name__.split(".")[1]
        raise MigrationsError(f"the database of {name} is of a newer release, or of one before 0.2: {error}") from None


def _upgrade(connection: Connection, settings: Config) -> None:
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


async def check(url: str, service: str, migrations: ModuleType) -> None:
    """Raises :class:`MigrationsError` where the database is older or newer than this code."""
    async with open_engine(url) as engine, engine.connect() as connection:
        at = await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())
    head = await asyncio.to_thread(lambda: ScriptDirectory.from_config(config(migrations)).get_current_head())
    if at != head:
        raise MigrationsError(f"the database of {service} has version {at}, this code needs {head}: run `quadrille migrate`")


async def wait_for(url: str, service: str, migrations: ModuleType, schedule: Schedule) -> None:
    """Wait for a database that is away, unless the service is to end. Raises as :func:`check`."""
    attempt = 0
    while not schedule.stopping.is_set():
        try:
            await check(url, service, migrations)
            return
        except Exception as error:
            if not is_away(error):
                raise
            await schedule.back_off(attempt, f"the database is away: {error!r}")
            attempt += 1


def run(metadata: MetaData) -> None:
    """What a service's ``env.py`` does: migrate over the connection :func:`upgrade` made."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=False)
    with context.begin_transaction():
        context.run_migrations()
