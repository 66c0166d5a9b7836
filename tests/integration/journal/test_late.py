"""The late checkouts, as the journal serves them."""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import aiohttp
from prometheus_client import REGISTRY

from services.journal import metrics
from services.journal.late import late, route, waiting
from services.journal.model import Entry, Form
from shared.progress import Limits
from shared.runtime.observability import health
from tests.integration.journal.conftest import Journal
from tests.support import stories
from tests.support.away import away
from tests.support.clock import NOW
from tests.support.stacks import Stack

LIMITS = Limits(prompt=30, gateway=250, customer=1800)
STORY = {
    "CheckoutStarted": 0,
    "StockReserved": 1,
    "CheckoutConfirmed": 60,
    "ReservationExtended": 61,
    "TotalsCalculated": 63,
    "PaymentAuthorized": 70,
    "OrderCreated": 71,
    "PaymentCaptured": 75,
    "OrderConfirmed": 76,
    "StockCommitted": 77,
    "CheckoutCompleted": 78,
}


def after(seconds: float) -> datetime:
    """So many seconds after the beginning of a checkout."""
    return NOW + timedelta(seconds=seconds)


def entries(cart_id: str, kinds: Iterable[str], **seconds: float) -> list[Entry]:
    """The events of the first checkout of a cart, each when it happens in the story or so many ``seconds`` after the start."""
    at = {**{kind: STORY[kind] for kind in kinds}, **seconds}
    places = ("t", 0, hash(cart_id) % 2**40)
    return [
        Entry(*places, after(at[kind]), after(at[kind]), Form.MESSAGE, cart_id, "s", kind, kind, f"{cart_id}.1") for kind in at
    ]


async def found(shelf: Journal, seconds: float, limit: int = 10) -> list[tuple[Any, Any]]:
    """The late checkouts after so many seconds, each with its step."""
    listed: Any = (await late(shelf.engine, LIMITS, after(seconds), limit))["late"]
    return [(one["checkout_id"], one["step"]) for one in listed]


async def test_a_checkout_is_late_when_its_step_took_longer_than_it_should(shelf: Journal) -> None:
    await shelf.writer.write(entries("c", list(STORY)[:3]))
    assert await found(shelf, 89.9) == []
    assert await found(shelf, 90) == [("c.1", "extend")]
    await shelf.writer.write(entries("c", ["ReservationExtended"]))
    assert await found(shelf, 90) == []
    assert await found(shelf, 91) == [("c.1", "total")]


async def test_the_gateway_and_the_customer_have_the_time_they_need(shelf: Journal) -> None:
    await shelf.writer.write(entries("customer", list(STORY)[:2]))
    await shelf.writer.write(entries("gateway", list(STORY)[:5]))
    assert await found(shelf, 312.9) == []
    assert await found(shelf, 313) == [("gateway.1", "authorize")]
    assert await found(shelf, 1799.9) == [("gateway.1", "authorize")]
    assert await found(shelf, 1800) == [("gateway.1", "authorize"), ("customer.1", "choose")]


async def test_the_order_of_events_and_their_repetition_change_nothing(shelf: Journal) -> None:
    kinds = ["CheckoutConfirmed", "ReservationExtended", "TotalsCalculated", "PaymentAuthorized"]
    for number, order in enumerate(itertools.permutations(kinds)):
        for kind in (*order, *order):
            await shelf.writer.write(entries(f"c{number}", [kind]))
    assert await found(shelf, 99.9, 100) == []
    assert {step for _, step in await found(shelf, 100, 100)} == {"create"}
    assert len(await found(shelf, 100, 100)) == 24


async def test_a_late_event_does_not_start_a_finished_checkout_again(shelf: Journal) -> None:
    await shelf.writer.write(entries("c", list(STORY)[:-1]))
    assert await found(shelf, 10_000) == [("c.1", "clean_up")]
    await shelf.writer.write(entries("c", ["CheckoutCompleted"]))
    await shelf.writer.write([replace(one, message_id="again") for one in entries("c", ["OrderConfirmed"])])
    assert await found(shelf, 10_000) == []


async def test_a_wait_for_staff_is_never_late(shelf: Journal) -> None:
    await shelf.writer.write(stories.load("void_failed").entries)
    assert await shelf.db.fetchval("SELECT count(*) FROM checkouts WHERE open AND NOT in_progress") == 1
    assert (await late(shelf.engine, LIMITS, after(10**9)))["total"] == 0


async def test_those_that_were_due_first_are_listed_and_all_are_counted(shelf: Journal) -> None:
    for number in (3, 1, 2):
        await shelf.writer.write(entries(f"c{number}", (), CheckoutConfirmed=number))
    assert (await late(shelf.engine, LIMITS, after(100), 2))["total"] == 3
    assert await found(shelf, 100, 2) == [("c1.1", "extend"), ("c2.1", "extend")]
    assert await waiting(shelf.engine) == {"extend": 3}
    metrics.set_waiting(await waiting(shelf.engine))
    assert REGISTRY.get_sample_value("quadrille_checkouts_waiting", {"step": "extend"}) == 3


async def test_warnings_are_listed_until_they_end_or_are_too_many(shelf: Journal) -> None:
    await shelf.writer.write(entries("a", [], PaymentAuthorized=1, AuthorizationExpiring=2, RetriesNearlyExhausted=3))
    await shelf.writer.write(entries("b", [], AuthorizationExpiring=2))
    await shelf.writer.write(entries("b", [], PaymentVoided=3))
    listed = await late(shelf.engine, LIMITS, after(0))
    assert listed["warned"] == {"AuthorizationExpiring": ["a.1"], "RetriesNearlyExhausted": ["a.1"]}
    assert (await late(shelf.engine, LIMITS, after(0), 1))["warned"] is None
    await shelf.writer.recompute("")
    assert (await shelf.checkout("a.1"))["warnings"] == '["AuthorizationExpiring", "RetriesNearlyExhausted"]'


async def test_the_late_checkouts_are_served_while_the_database_answers(stack: Stack, journal: Journal) -> None:
    await journal.writer.write(entries("c", list(STORY)[:3]))
    state = {"service": "journal", "ready": True}
    runner, port = await health.serve("127.0.0.1", 0, lambda: dict(state), route(journal.engine, LIMITS))
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/late") as answer:
                body = await answer.json()
                assert (answer.status, body["total"], body["late"][0]["waits_for"]) == (
                    200, 1, "the reservation to be extended",
                )  # fmt: skip
            async with away(stack, journal.settings.database_url("journal")), session.get("/late") as answer:
                assert answer.status == 503
    finally:
        await runner.cleanup()
