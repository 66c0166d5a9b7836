"""Migrations make the tables the code declares, and can be taken back."""

from importlib import import_module
from typing import get_type_hints

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, inspect, text

from shared.contract.services import DATABASES, SERVICES
from shared.runtime.postgres import migrations
from shared.runtime.postgres.database import connect
from shared.runtime.postgres.port import PostgresDatabase
from shared.settings import load
from tests.support import system
from tests.support.stacks import Stack


@pytest.fixture(scope="module")
def environment(stack: Stack) -> dict[str, str]:
    """Databases of this module's own, at their newest version."""
    return system.prepare(stack)


def differences(connection: Connection, declared: MetaData) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection), declared))


def back_and_forth(connection: Connection, config: Config) -> list[str]:
    """The tables that are left where no migration is."""
    config.attributes["connection"] = connection
    command.downgrade(config, "base")
    left = inspect(connection).get_table_names()
    command.upgrade(config, "head")
    return left


@pytest.mark.parametrize("service", DATABASES)
async def test_the_tables_are_as_declared(service: str, environment: dict[str, str]) -> None:
    declared: MetaData = import_module(f"services.{service}.tables").metadata
    engine = connect(load(environment).database_url(service))
    try:
        async with engine.begin() as connection:
            assert await connection.run_sync(differences, declared) == []
    finally:
        await engine.dispose()


@pytest.mark.parametrize("service", SERVICES)
async def test_every_aggregate_can_be_saved_and_read(service: str, environment: dict[str, str]) -> None:
    database = PostgresDatabase(load(environment).database_url(service))
    try:
        for store in import_module(f"services.{service}.tables").STORES:
            made = store.blank("a")
            if "state" in store.table.c and made.aggregate.state is None:
                made.aggregate.state = next(iter(get_type_hints(store.kind)["state"].__args__[0]))
            made.before = b""
            async with database.transaction() as transaction:
                await transaction.save(store.changes([made], lambda key: 0))
                found = await transaction.load(store, ["a"], lock=True)
            assert found.keys() == {"a"}
    finally:
        await database.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_every_step_can_be_taken_back(service: str, environment: dict[str, str]) -> None:
    config = migrations.config(import_module(f"services.{service}.migrations"))
    engine = connect(load(environment).database_url(service))
    try:
        async with engine.begin() as connection:
            assert await connection.run_sync(back_and_forth, config) == ["alembic_version"]
    finally:
        await engine.dispose()


async def test_a_database_of_another_release_is_refused(environment: dict[str, str]) -> None:
    url, config = load(environment).database_url("cart"), import_module("services.cart.migrations")
    engine = connect(url)
    try:
        async with engine.begin() as connection:
            at = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
            await connection.execute(text("UPDATE alembic_version SET version_num = '0006'"))
        with pytest.raises(migrations.MigrationsError, match="the database of cart is of a newer release"):
            await migrations.upgrade(url, config)
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE alembic_version SET version_num = :at"), {"at": at})
    finally:
        await engine.dispose()
