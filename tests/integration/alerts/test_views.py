"""Alerts are found by the beginning of their id."""

import asyncio
import uuid
from dataclasses import replace

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncEngine

from devstack import databases
from services.alerts import migrations as alerts_migrations
from services.alerts import views
from services.alerts.model import Failure
from services.alerts.store import DeadLetterStore
from shared.runtime.postgres import migrations
from shared.runtime.postgres.database import open_engine
from tests.support.alerts import dead_letter_store
from tests.support.stacks import Stack

STUCK = Failure("void:c1.12", "void", "critical", "A void failed", "Retry it.", "payment", "c1.12")


@pytest_asyncio.fixture
async def url(stack: Stack) -> str:
    """A database of alerts of its own."""
    name = f"t{uuid.uuid4().hex[:8]}"
    urls = await databases.acreate(stack.admin_url, name, {"alerts": "tests"}, ["alerts"])
    (url,) = urls.values()
    await migrations.upgrade(url, alerts_migrations)
    return url


async def test_an_alert_s_beginning_is_enough_but_another_attempt_is_another(url: str) -> None:
    async with open_engine(url) as engine, dead_letter_store(url) as store:
        await _check(engine, store)


async def _check(engine: AsyncEngine, store: DeadLetterStore) -> None:
    await store.report(STUCK)
    for beginning in ("void:c1.12", "void:c1.", "void"):
        assert (await views.alert(engine, beginning)).alert_id == "void:c1.12"
    with pytest.raises(views.NotFoundError, match=r"no alert whose id begins with 'void:c1\.1'"):
        await views.alert(engine, "void:c1.1")
    await asyncio.gather(*(store.report(replace(STUCK, alert_id=f"void:c1.{n}")) for n in (1, 2)))
    assert (await views.alert(engine, "void:c1.1")).alert_id == "void:c1.1"
    with pytest.raises(views.NotFoundError, match="several alerts"):
        await views.alert(engine, "void:c1.")
