"""A target of notifications: a web server that notes what it is told, and may refuse or take its time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from aiohttp import web

from devstack.ports import free_port


class Pager:
    """What people would have heard. ``target``: its address, as a setting names it. ``seconds``: how long it takes."""

    def __init__(self) -> None:
        self.told: list[tuple[float, str]] = []
        self.refusals = 0
        self.seconds = 0.0
        self.target = f"json://127.0.0.1:{free_port()}/"

    async def hear(self, request: web.Request) -> web.Response:
        """A notification arrives."""
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        await asyncio.sleep(self.seconds)
        self.told.append((time.monotonic(), (await request.json())["title"]))
        return web.Response()

    def about(self, words: str) -> list[float]:
        """When it was told of something."""
        return [at for at, title in self.told if words in title]


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[Pager]:
    """A pager that is on."""
    pager = Pager()
    application = web.Application()
    application.router.add_post("/", pager.hear)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(pager.target.rsplit(":", 1)[1].rstrip("/"))).start()
    try:
        yield pager
    finally:
        await runner.cleanup()
