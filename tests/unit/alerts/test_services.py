"""Which services are watched, and what alerts needs of the journal."""

import asyncio
import contextlib
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.alerts.watchdog.services import ServiceMonitor, addresses
from shared.settings import SettingsError, load
from tests.support.reported import Reported
from tests.support.waiting import until


def test_services_are_named_with_their_addresses() -> None:
    named = addresses("cart=http://127.0.0.1:1/, order=https://order.shop:8080,")
    assert named == {"cart": "http://127.0.0.1:1", "order": "https://order.shop:8080"}
    assert addresses("") == {}


@pytest.mark.parametrize("named", ["cart", "cart=127.0.0.1:1", "=http://a", "cart:http://a"])
def test_an_invalid_list_of_services_is_refused(named: str) -> None:
    with pytest.raises(SettingsError, match="WATCHED_SERVICES is a list such as"):
        addresses(named)


async def first_alert(name: str) -> tuple[str, str]:
    """The title and the text of the first alert while this service alone is watched, and no late checkouts are listed."""

    async def nothing(_: web.Request) -> web.Response:
        return web.Response(text="")

    application = web.Application()
    application.router.add_get("/metrics", nothing)
    reported: Any = Reported()
    async with TestServer(application) as server:
        watched = {"QUADRILLE_WATCHED_SERVICES": f"{name}=http://127.0.0.1:{server.port}", "QUADRILLE_WATCH_SECONDS": "0.1"}
        monitor = ServiceMonitor(load(watched), reported, lambda: False, lambda: "it does not list late checkouts")
        running = asyncio.create_task(monitor.run())
        await until(lambda: reported.open, "an alert")
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    return reported.open[0].title, reported.open[0].text


async def test_a_journal_that_is_not_named_is_an_alert() -> None:
    title, text = await first_alert("cart")
    assert title == "journal does not answer at an unknown address"
    assert text.startswith("Error: QUADRILLE_WATCHED_SERVICES does not name it.")
    assert "no alert opens for one that gets stuck" in text


async def test_a_journal_that_does_not_list_late_checkouts_is_an_alert() -> None:
    title, text = await first_alert("journal")
    assert title == "journal is not ready: it does not list late checkouts"
    assert "no alert opens for one that gets stuck" in text
