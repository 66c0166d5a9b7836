"""The statements of a store name columns as they are: none may be a word of SQL."""

from importlib import import_module

import pytest
from sqlalchemy import make_url

from shared.contract.services import SERVICES
from shared.runtime.postgres.store import Store


@pytest.mark.parametrize("service", [*SERVICES, "alerts"])
def test_no_column_of_a_store_needs_quotes(service: str) -> None:
    quote = make_url("postgresql+asyncpg://").get_dialect()().identifier_preparer.quote
    declared = vars(import_module(f"services.{service}.tables")).values()
    stores = {one for value in declared for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, Store)}
    assert stores
    names = {name for store in stores for name in (store.table.name, *store.table.c.keys())}
    assert {name for name in names if quote(name) != name} == set()
