"""After a flood of poison records the failed void is still on the first page: of the command and of the console."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace

import pytest_asyncio
from httpx import ASGITransport, AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts import views
from services.alerts.model import Failure
from services.alerts.views import AlertFilter, Filter
from services.console.app import application
from services.console.context import Console
from services.console.watcher import Watcher
from shared.progress import limits
from shared.runtime.postgres.database import connect
from shared.settings import load
from tests.support import system
from tests.support.alerts import dead_letter_store
from tests.support.cli import quadrille
from tests.support.stacks import Stack
from tests.unit.alerts.dead_letters import stuck, unhandled, unreadable
from tests.unit.console.helpers import SETTINGS, console

POISON = 1_000


@dataclass
class Flooded:
    """Alerts after a thousand poison records, a failed void and a service that is down, in this order."""

    environment: Mapping[str, str]
    engine: AsyncEngine

    def browser(self) -> AsyncClient:
        """A browser at a console that sees them."""
        here = console()
        watcher = Watcher(SETTINGS, None, self.engine)
        seen = Console(SETTINGS, limits(SETTINGS), here.choreography, None, self.engine, watcher, "ada")
        return AsyncClient(transport=ASGITransport(application(seen)), base_url="http://127.0.0.1:8790")


@pytest_asyncio.fixture(scope="module")
async def flooded(stack: Stack) -> AsyncIterator[Flooded]:
    """Fill the database."""
    environment = await asyncio.to_thread(system.prepare, stack)
    engine = connect(load(environment).database_url("alerts"))
    async with dead_letter_store(load(environment).database_url("alerts")) as store:
        await store.save([unhandled(f"m{n}", dlq_offset=n) for n in range(POISON)])
        await store.save([unreadable(dlq_offset=POISON)])
        await store.save([replace(stuck(), offset=POISON + 1)])
        down = Failure("service:inventory", "service_down", "critical", "inventory is down", "Start it.", "inventory")
        await store.report(down)
    yield Flooded(environment, engine)
    await engine.dispose()


async def test_alerts_are_listed_money_first_then_by_severity_then_by_age(flooded: Flooded) -> None:
    total, groups = await views.alert_groups(flooded.engine, AlertFilter())
    assert total == POISON + 3
    assert [(one.alerts, one.kind) for one in groups] == [
        (1, "void_failed"),
        (POISON, "unhandled"),
        (1, "service_down"),
        (1, "unreadable"),
    ]
    first, *_, last = await views.alerts(flooded.engine, AlertFilter(), POISON + 3)
    assert (first.kind, last.kind) == ("void_failed", "unreadable")
    critical = await views.alerts(flooded.engine, AlertFilter(severity="critical"), POISON, 1)
    assert [one.first_seen_at for one in critical] == sorted(one.first_seen_at for one in critical if one.first_seen_at)


async def test_pages_are_whole_and_do_not_overlap(flooded: Flooded) -> None:
    pages = [await views.alerts(flooded.engine, AlertFilter(), 100, offset) for offset in range(0, POISON + 100, 100)]
    assert [len(page) for page in pages] == [100] * 10 + [3]
    assert len({alert.alert_id for page in pages for alert in page}) == POISON + 3
    dead_letters = [await views.dead_letters(flooded.engine, Filter(), 500, offset) for offset in (0, 500, 1_000)]
    assert len({dead_letter.dead_letter_id for page in dead_letters for dead_letter in page}) == POISON + 2
    assert dead_letters[0][0].kind == "compensation"


async def test_the_command_shows_what_matters_first_and_says_how_much_there_is(flooded: Flooded) -> None:
    listed = await quadrille(flooded.environment, "alerts", "list")
    lines = listed.out.decode().splitlines()
    assert lines[-1] == f"100 of {POISON + 3:,} alerts, page 1; next page: --page 2"
    alerts = [line for line in lines if "void:c1.1" in line or "dead:" in line]
    assert "void:c1.1" in alerts[0]
    assert [line for line in lines if "service_down" in line], "every kind is counted on the first page"
    down = await quadrille(flooded.environment, "alerts", "list", "--kind", "service_down", "--service", "inventory", "--json")
    assert (down.json["total"], [one["title"] for one in down.json["alerts"]]) == (1, ["inventory is down"])
    last = await quadrille(flooded.environment, "alerts", "list", "--severity", "critical", "--page", "11", "--json")
    assert (last.json["total"], len(last.json["alerts"])) == (POISON + 2, 2)
    beyond = await quadrille(flooded.environment, "alerts", "list", "--page", "12")
    assert f"Page 12 is empty: {POISON + 3:,} alerts" in beyond.out.decode()
    dead_letters = (await quadrille(flooded.environment, "dlq", "list")).out.decode().splitlines()
    assert dead_letters[-1] == f"50 of {POISON + 2:,} dead letters, page 1; next page: --page 2"


async def test_the_console_shows_what_matters_first_and_its_pages_keep_the_filters(flooded: Flooded) -> None:
    async with flooded.browser() as at:
        first = (await at.get("/alerts")).text
        assert first.index("/alerts/void%3Ac1.1") < first.index("/alerts/dead%3A")
        assert f"100 of {POISON + 3:,} alerts, page 1 of 11" in first
        assert 'href="?which=unresolved&amp;page=2"' in first
        chosen = (await at.get("/alerts?kind=unhandled&severity=critical&service=cart&page=10")).text
        assert f"100 of {POISON:,} alerts, page 10 of 10" in chosen
        assert "?which=unresolved&amp;kind=unhandled&amp;severity=critical&amp;service=cart&amp;page=9" in chosen
        assert "No alerts match this filter." in (await at.get("/alerts?kind=nothing")).text
        dead_letters = (await at.get("/dead-letters?service=cart&page=2")).text
        assert f"100 of {POISON + 1:,} dead letters, page 2 of 11" in dead_letters
        assert "?which=unresolved&amp;service=cart&amp;page=3" in dead_letters


async def test_a_page_nobody_can_mean_is_the_first(flooded: Flooded) -> None:
    async with flooded.browser() as at:
        for asked in ("page=0", "page=-1", "page=x", "page=%00", "page=99999999999", "kind=%00", "service=%0a"):
            answer = await at.get(f"/alerts?{asked}")
            assert answer.status_code == 200, asked
            assert "page 1 of 11" in answer.text, asked
