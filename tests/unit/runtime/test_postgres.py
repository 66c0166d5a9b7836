"""Tables and migrations: no column needs quotes, and the migrations of a service are one line."""

from importlib import import_module

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import make_url

from shared.contract.services import DATABASES, SERVICES
from shared.runtime.postgres import migrations
from shared.runtime.postgres.store import Store


@pytest.mark.parametrize("service", [*SERVICES, "alerts"])
def test_no_column_of_a_store_needs_quotes(service: str) -> None:
    quote = make_url("postgresql+asyncpg://").get_dialect()().identifier_preparer.quote
    declared = vars(import_module(f"services.{service}.tables")).values()
    stores = {one for value in declared for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Store)}
    assert stores
    names = {name for store in stores for name in (store.table.name, *store.table.c.keys())}
    assert {name for name in names if quote(name) != name} == set()


@pytest.mark.parametrize("service", DATABASES)
def test_every_service_has_one_newest_version(service: str) -> None:
    script = ScriptDirectory.from_config(migrations.config(import_module(f"services.{service}.migrations")))
    assert len(script.get_heads()) == 1
    numbers = sorted(revision.revision for revision in script.walk_revisions())
    assert numbers == [f"{number:04d}" for number in range(100, 100 + len(numbers))]
