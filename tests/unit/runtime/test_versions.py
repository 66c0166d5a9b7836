"""The migrations of every service are one line: of two that follow the same one, a database could have only one."""

from importlib import import_module

import pytest
from alembic.script import ScriptDirectory

from shared.contract.services import DATABASES
from shared.runtime.postgres import migrations


@pytest.mark.parametrize("service", DATABASES)
def test_every_service_has_one_newest_version(service: str) -> None:
    script = ScriptDirectory.from_config(migrations.config(import_module(f"services.{service}.migrations")))
    assert len(script.get_heads()) == 1
    numbers = sorted(revision.revision for revision in script.walk_revisions())
    assert numbers == [f"{number:04d}" for number in range(100, 100 + len(numbers))]
