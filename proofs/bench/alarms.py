"""``python -m proofs.bench.alarms``: seconds from a void's failure to the notification of its alert, on a stack of its own."""

import asyncio
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from aiohttp import web

from cli.shell import console, run
from devstack.demo.limits import LIMITS
from devstack.demo.shop import Shop, card
from devstack.ports import free_port
from proofs.bench.run import system_of_its_own
from shared.client import CheckoutClient
from shared.contract.payment import VoidFailed
from shared.runtime.postgres.database import connect
from shared.settings import PREFIX, load

AT_ONCE: Final = 4
"""Checkouts under way at the same time: failures as they come on a bad day, not a flood of them."""
STUCK: Final = card("tok_decline_capture+refuse_void_forever")
SECONDS: Final = 60.0


class Pager:
    """A target of notifications: it knows when each came, by the alert's title."""

    def __init__(self) -> None:
        self._told: dict[str, datetime] = {}
        self._news = asyncio.Condition()

    async def hear(self, request: web.Request) -> web.Response:
        """A notification arrives."""
        at = datetime.now(UTC)
        async with self._news:
            self._told[(await request.json())["title"]] = at
            self._news.notify_all()
        return web.Response()

    async def told_of(self, words: str) -> datetime:
        """When it was told of something."""
        async with self._news, asyncio.timeout(SECONDS):
            await self._news.wait_for(lambda: any(words in title for title in self._told))
        return next(at for title, at in self._told.items() if words in title)


@asynccontextmanager
async def listening(port: int) -> AsyncIterator[Pager]:
    """A pager at this port."""
    pager, application = Pager(), web.Application()
    application.router.add_post("/", pager.hear)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield pager
    finally:
        await runner.cleanup()


async def alarm(shop: Shop, sku: str, pager: Pager) -> float:
    """Seconds from the commit of a ``VoidFailed`` to its notification."""
    cart_id, _ = await shop.check_out(sku, payment=STUCK)
    await shop.client.wait_for(cart_id, VoidFailed, timeout=SECONDS)
    failed = next(seen for seen in shop.client.seen(cart_id) if isinstance(seen.event, VoidFailed))
    assert failed.envelope.time is not None
    told = await pager.told_of(f"(checkout {failed.event.subject})")
    return (told - failed.envelope.time).total_seconds()


async def measure(state: Path, count: int) -> list[float]:
    """Seconds of each of so many alarms."""
    port = free_port()
    more = {**LIMITS, f"{PREFIX}ALERT_TARGETS": f"json://127.0.0.1:{port}/"}
    async with listening(port) as pager, system_of_its_own(state, "alarms", more, console.print) as running:
        settings = load(running.environment)
        engine = connect(settings.database_url("alerts"))
        async with CheckoutClient(settings, "/quadrille/bench") as client:
            shop, slots = Shop(client, engine), asyncio.Semaphore(AT_ONCE)
            sku = await shop.product(stock=10 * count)

            async def one() -> float:
                async with slots:
                    return await alarm(shop, sku, pager)

            found = await asyncio.gather(*(one() for _ in range(count)))
        await engine.dispose()
        return found


def main(
    count: Annotated[int, typer.Option(min=1, help="Voids that fail.")] = 100,
    state: Annotated[Path, typer.Option(help="Where the stack keeps its state.")] = Path(".quadrille/bench"),
) -> None:
    """Measure it and print p50 and max."""
    seconds = run(measure(state, count))
    console.print(f"{count} failed voids to notification: p50 {statistics.median(seconds):.2f} s, max {max(seconds):.2f} s")


if __name__ == "__main__":
    typer.run(main)
