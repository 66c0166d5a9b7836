"""The services die at every point where a process can die, and nothing of it is to be seen in the end."""

import ast
import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from cli.audit.books import Books
from shared.contract.services import SERVICES
from tests.integration.crash.load import STORIES
from tests.integration.crash.points import CALLS, beginning, statements
from tests.integration.crash.shop import Market, market
from tests.support.stacks import ROOT, Stack

EVERY: Final = 0.4
"""Seconds from one checkout to the next."""

TELLING: Final = {
    "before commit of ownership check": "all is written, nothing is committed",
    "after commit of ownership check": "committed with locks and not published",
    "after batch commit": "committed with one statement and not published",
    "after Kafka Produce": "published and not deleted",
    "before Kafka OffsetCommit": "done, and Kafka does not know",
}
"""The points of every service that tell most."""
TELLING_OF_PAYMENT: Final = ("after gateway authorize", "after gateway capture")
"""The money has moved, and nobody knows."""
THIRD: Final = 3
"""Where others take over, a process first works for a little: it dies when it passes a point for the third time."""
COMMITTED: Final = ("ownership check",)
"""The first statement of every kind of transaction of the runtime that has more than one."""
REQUESTED: Final = ("Produce", "InitProducerId", "Fetch", "JoinGroup", "SyncGroup", "OffsetFetch", "OffsetCommit")
TABLES: Final = {"carts", "products", "reservations", "stocks", "checkouts", "coupons", "payments", "gateway_health"}
NOT_REACHED: Final = {
    "outbox first": "of a topic that refuses records",
    "inbox digests": "of records that come again, which nothing does before the first death",
    "operations overdue": "of calls that are held back while the gateway is in trouble",
    "gateway_health lock": "of a gateway in trouble",
    "gateway_health read": "of a gateway in trouble",
    "gateway_health upsert": "of a gateway in trouble",
    "ownership visit": "of members of different versions, or topics of unequal size",
    "outbox quarantine": "of a record the broker refuses, which an audit would find",
    **{f"{table} postpone": "after a fault in a reaction to a timer" for table in TABLES},
}
"""Statements no story comes to, and why."""


@dataclass(frozen=True)
class Found:
    """By service, the points it passed at work, those of them passed often, and those passed only when it was stopped."""

    market: Market
    working: Mapping[str, list[str]]
    often: Mapping[str, list[str]]
    stopping: Mapping[str, list[str]]

    def points(self, service: str) -> list[str]:
        """All points of a service."""
        return [*self.working[service], *self.stopping[service]]

    @property
    def anywhere(self) -> set[str]:
        """The points of all services."""
        return {point for service in SERVICES for point in self.points(service)}


@pytest_asyncio.fixture(scope="module")
async def found(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Found]:
    """All points, found by having every story told and noting what was passed."""
    async with market(stack, tmp_path_factory.mktemp("crash")) as made:
        for name in STORIES:
            made.load.begin(name)
        await made.settled(60)
        mortals = {mortal.service: mortal for mortal in made.supervisor.alive}
        working = {service: mortal.noted("passed") for service, mortal in mortals.items()}
        often = {service: mortal.noted("often") for service, mortal in mortals.items()}
        await made.supervisor.stop()
        stopping = {service: mortal.noted("passed")[len(working[service]) :] for service, mortal in mortals.items()}
        yield Found(made, working, often, stopping)


@pytest.mark.parametrize("service", SERVICES)
def test_every_statement_and_every_way_out_is_a_point(found: Found, service: str) -> None:
    steps = {step for step in statements(service).values() if step not in NOT_REACHED}
    steps |= {f"commit of {first}" for first in COMMITTED} | {f"Kafka {request}" for request in REQUESTED}
    if service == "payment":
        steps |= {f"gateway {call}" for call in CALLS} | {"commit of operations health"}
    assert {f"{when} {step}" for step in steps for when in ("before", "after")} - {*found.points(service)} == set()


def test_no_statement_hides_in_a_function(found: Found) -> None:
    rooms = (ROOT / room for room in ("shared/runtime", *(f"services/{service}" for service in SERVICES)))
    inline = {statement for room in rooms for path in room.rglob("*.py") for statement in _inline(path)}
    assert inline
    assert {f"before {statement}" for statement in inline} - found.anywhere == set()


def _inline(path: Path) -> Iterator[str]:
    """The names of the statements that stand in a function of a module."""
    functions = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.AsyncFunctionDef))
    for node in (node for function in functions for node in ast.walk(function)):
        match node:
            case ast.Call(
                func=ast.Name(id="text") | ast.Attribute(attr="fetch"), args=[ast.Constant(value=str(statement)), *_]
            ):
                yield beginning(statement)


def test_nothing_is_excused_in_vain(found: Found) -> None:
    assert NOT_REACHED.keys() <= {step for service in SERVICES for step in statements(service).values()}
    assert {step for step in NOT_REACHED if f"before {step}" in found.anywhere} == set()


async def test_nothing_is_to_be_seen_of_the_most_telling_deaths(found: Found) -> None:
    points = {service: dict.fromkeys(TELLING, 1) for service in SERVICES}
    points["payment"] |= dict.fromkeys(TELLING_OF_PAYMENT, 1)
    await _die(found.market, points, {})
    books = await found.market.settled(60)
    assert found.market.outcomes(books)["paid: confirmed, captured"] > 0
    assert await found.market.sent_again() > 0


@pytest.mark.crash
@pytest.mark.parametrize("members", [1, 2], ids=["it comes back", "another takes over"])
async def test_nothing_is_to_be_seen_of_any_death(found: Found, members: int, capsys: pytest.CaptureFixture[str]) -> None:
    started, deaths = time.monotonic(), found.market.supervisor.deaths
    deaths.clear()
    points = {
        service: {point: THIRD if members > 1 and point in found.often[service] else 1 for point in found.working[service]}
        for service in SERVICES
    }
    await _die(found.market, points, found.stopping, members=members)
    books = await found.market.settled(300)
    for service in SERVICES:
        assert sorted(point for who, point in deaths if who == service) == sorted(found.points(service))
    with capsys.disabled():
        sys.stdout.write(_report(found, books, await found.market.sent_again(), time.monotonic() - started))


async def _die(
    market: Market,
    working: Mapping[str, Mapping[str, int]],
    stopping: Mapping[str, Sequence[str]],
    *,
    members: int = 1,
) -> None:
    """Have all services die under load, each at its points: at work, when passed for this time, and when it is stopped."""
    await market.supervisor.stop()

    async def die(service: str) -> None:
        await market.supervisor.in_a_row(service, working[service], members=members)
        await market.supervisor.in_stopping(service, stopping.get(service, ()))
        await market.supervisor.start(service).healthy()

    async with asyncio.TaskGroup() as group:
        loading = group.create_task(market.load.run(EVERY))
        await asyncio.gather(*(group.create_task(die(service)) for service in working))
        loading.cancel()


def _report(found: Found, books: Books, again: int, seconds: float) -> str:
    """What there is to tell, as lines."""
    deaths = Counter(service for service, _ in found.market.supervisor.deaths)
    points = (f"{service}: {len(found.points(service))} points, {deaths[service]} deaths" for service in SERVICES)
    outcomes = (f"{count:5} {outcome}" for outcome, count in sorted(found.market.outcomes(books).items()))
    total = f"{deaths.total()} deaths and {len(found.market.load.carts)} carts in {seconds:.0f} s, no violation"
    resent = f"{again} events were published again, each the same as before"
    return "\n".join(("", *points, *outcomes, total, resent, ""))
