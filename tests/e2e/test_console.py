"""The console on the running system: what it shows is so, and what is decided on it is done, by whom and why."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from httpx import AsyncClient

from devstack.demo.shop import CASH, Shop, card, unique
from services.alerts import views
from services.alerts.model import Alert
from shared.contract.cart import CheckoutCompleted
from shared.contract.payment import VoidFailed
from tests.support.alerts import dead_letter_of, resolved
from tests.support.cli import quadrille as command
from tests.support.console import SECONDS, logged_in
from tests.support.system import System
from tests.support.topics import raw_producer
from tests.support.waiting import until
from tests.unit.console.helpers import Seen, token

EVIL = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'


@pytest_asyncio.fixture
async def ada(quadrille: System) -> AsyncIterator[AsyncClient]:
    """Ada, logged in."""
    async with logged_in(quadrille) as at:
        yield at


async def text_of(at: AsyncClient, page: str, wanted: str) -> str:
    """The text of a page, once it has these words."""

    async def ask() -> str:
        return Seen((await at.get(page, follow_redirects=True)).text).text

    return str(await until(ask, good=lambda text: wanted in text))


async def decide(at: AsyncClient, page: str, to: str, action: str, why: str) -> str:
    """Decide something on a page; returns what the page says then."""
    filled = {"csrf": await token(at, page), "back": page, "action": action, "why": why}
    answer = await at.post(to, data=filled)
    assert (answer.status_code, answer.headers["location"]) == (303, page), answer.text
    return Seen((await at.get(page)).text).text


async def void_failed(shop: Shop) -> tuple[VoidFailed, Alert]:
    """An authorization that the gateway does not release at the first four requests."""
    sku = await shop.product(stock=1)
    cart_id, _ = await shop.check_out(sku, payment=card("tok_decline_capture+refuse_void_4"))
    failed = await shop.client.wait_for(cart_id, VoidFailed, timeout=SECONDS)
    return failed, await shop.alert(failed.checkout_id)


async def test_an_order_is_found_by_its_digits_and_shown_as_by_trace(shop: Shop, quadrille: System, ada: AsyncClient) -> None:
    cart_id, outcome = await shop.check_out(await shop.product(stock=1))
    assert isinstance(outcome, CheckoutCompleted)
    number = outcome.order_number
    finished = f"Finished: order {number} is confirmed, 14.90 EUR captured"
    page = await text_of(ada, f"/orders/{number}", finished)
    found = await ada.get("/orders", params={"q": number.removeprefix("Q-").lstrip("0")})
    assert found.headers["location"] == f"/orders/{number}"
    assert "ReservationExtended" in page
    ran = await command(quadrille.environment, "trace", number)
    assert finished in ran.out.decode().splitlines()  # a warning of lag may follow
    assert number in await text_of(ada, "/orders", number)
    assert number in await text_of(ada, "/orders?which=completed", number)
    assert number in await text_of(ada, f"/orders?q={cart_id}", "OpenCart")


async def test_unknown_names_are_not_found(ada: AsyncClient) -> None:
    for page in ("/orders/no-such-order", "/alerts/no-such-alert", "/dead-letters/zzzz", "/orders/%00%FF", "/nothing"):
        assert (await ada.get(page)).status_code == 404, page
    assert "No order, checkout" in Seen((await ada.get("/orders", params={"q": EVIL})).text).text
    assert "<script>alert" not in (await ada.get("/orders", params={"q": EVIL})).text


async def test_an_open_page_receives_updates(shop: Shop, ada: AsyncClient) -> None:
    cart_id = await shop.cart(await shop.product(stock=1))
    await text_of(ada, f"/orders/{cart_id}", "CartChanged")
    heard = asyncio.create_task(parts(ada, f"/live?view=timeline&name={cart_id}", "timeline", "StockReserved"))
    overview = asyncio.create_task(parts(ada, "/live?view=overview", "diagram", "up to date"))
    await shop.prepare(cart_id)
    assert "the customer to confirm" in (await heard)["status"]
    assert "confirmed per second" in (await overview)["figures"]


async def parts(at: AsyncClient, address: str, part: str, wanted: str) -> dict[str, Any]:
    """The parts that came last, once one has these words."""
    known: dict[str, Any] = {}
    async with asyncio.timeout(SECONDS), at.stream("GET", address) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        async for line in stream.aiter_lines():
            if line.startswith("data: "):
                known |= json.loads(line.removeprefix("data: "))
                if wanted in known.get(part, ""):
                    break
    return known


async def test_a_stuck_payment_is_settled_on_its_alert_page(shop: Shop, ada: AsyncClient) -> None:
    failed, alert = await void_failed(shop)
    page, checkout_id = f"/alerts/{alert.alert_id}", failed.checkout_id
    assert alert.title in await text_of(ada, "/alerts", alert.title)
    said = await decide(ada, page, f"/decide/alert/{alert.alert_id}", "ack", EVIL)
    assert "Alert acknowledged" in said
    assert EVIL in said, "it is among what was done"
    await text_of(ada, "/money", "waiting on staff")
    await text_of(ada, f"/orders/{checkout_id}", "staff to settle the payment")
    said = await decide(ada, page, f"/decide/payment/{checkout_id}", "retry-void", "the bank is back")
    assert f"14.90 EUR of checkout {checkout_id}: the authorization is released" in said
    done = (await resolved(shop, alert)).actions
    assert [(action.what, action.by) for action in done[:2]] == [("acknowledged", "ada"), ("retried", "ada")]
    assert done[1].why == "the bank is back"
    again = await decide(ada, f"/orders/{checkout_id}", f"/decide/payment/{checkout_id}", "retry-void", "again")
    assert "Refused" in again
    live = await parts(ada, f"/live?view=alert&name={alert.alert_id}", "alert", "resolved")
    assert "<button" not in live["decide_alert"], "a page that was open all the time offers nothing any more"


async def test_a_payment_on_delivery_is_marked_paid_on_its_order_page(shop: Shop, ada: AsyncClient) -> None:
    _, outcome = await shop.check_out(await shop.product(stock=1), payment=CASH)
    assert isinstance(outcome, CheckoutCompleted)
    page = f"/orders/{outcome.order_number}"
    await text_of(ada, page, "Mark as paid")
    said = await decide(ada, page, f"/decide/payment/{outcome.checkout_id}", "mark-paid", "cash, driver 12")
    assert "the payment is received" in said
    assert "recorded by ada: cash, driver 12" in await text_of(ada, page, "PaymentMarkedPaid")
    live = await parts(ada, f"/live?view=timeline&name={outcome.order_number}", "timeline", "PaymentMarkedPaid")
    assert "<button" not in live["settle"]
    unknown = await ada.post(
        "/decide/payment/nobody.1", data={"csrf": await token(ada, page), "action": "mark-paid", "why": "x"}
    )
    assert unknown.status_code == 404


async def test_a_dead_letter_is_shown_redriven_parked_and_resolved(shop: Shop, quadrille: System, ada: AsyncClient) -> None:
    key = unique("poison")
    async with raw_producer(quadrille.settings) as producer:
        topic = quadrille.settings.topic("cart.commands")
        await producer.send_and_wait(topic, EVIL.encode(), key.encode(), headers=[("mine", EVIL.encode()), ("raw", b"\x00")])
    dead_letter = await dead_letter_of(shop, key)
    page, to = f"/dead-letters/{dead_letter.dead_letter_id}", f"/decide/dead-letter/{dead_letter.dead_letter_id}"
    shown = await ada.get(page)
    assert EVIL in Seen(shown.text).text
    assert "<script>alert" not in shown.text
    assert "0x00" in shown.text
    assert dead_letter.reason in await text_of(ada, "/dead-letters?service=cart&reason=unreadable", dead_letter.reason)
    assert "came back once" in await decide(ada, page, to, "redrive", "cart is mended")
    assert "parked" in await decide(ada, page, to, "park", "waits for Monday")
    assert "resolved" in await decide(ada, page, to, "resolve", "garbage of a test")
    found = await views.dead_letter(shop.engine, dead_letter.dead_letter_id)
    assert [(a.what, a.by, a.why) for a in found.actions if a.by == "ada"] == [
        ("redriven", "ada", "cart is mended"),
        ("parked", "ada", "waits for Monday"),
        ("resolved", "ada", "garbage of a test"),
    ]
    assert (await views.alert(shop.engine, dead_letter.alert_id)).state == "resolved"
    live = await parts(ada, f"/live?view=dead_letter&name={dead_letter.dead_letter_id}", "dead_letter", "resolved")
    assert "<button" not in live["decide_dead_letter"]
    assert "garbage of a test" in live["history"]


async def test_lag_and_money_are_shown_with_their_numbers(shop: Shop, ada: AsyncClient) -> None:
    cart_id, outcome = await shop.check_out(await shop.product(stock=1))
    assert isinstance(outcome, CheckoutCompleted)
    await text_of(ada, f"/orders/{cart_id}", "Finished")
    lag = Seen((await ada.get("/lag")).text)
    for group in ("cart", "inventory", "order", "payment", "alerts", "journal"):
        assert f"Lag of quadrille.{group} in the last 5m" in str(lag.all("svg")), group
    money = Seen((await ada.get("/money?span=1h")).text).text
    assert "captured" in money
    assert "EUR" in money


async def test_the_console_answers_its_probes(quadrille: System) -> None:
    if running := quadrille.services.get("console"):
        assert running.probe("/readyz") == (200, {"service": "console", "ready": True, "trouble": None})
        assert running.probe("/livez") == (200, {"service": "console", "live": True})
