"""A service's health and metrics over HTTP."""

import time
from collections.abc import Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.telemetry.metrics import healthy

Health = Callable[[], dict[str, object]]
"""What a service says of itself; ``healthy`` decides between 200 and 503."""
TURN_SECONDS: Final = 60.0
"""Longer than any turn of a service's loop may take: its statements, its calls, and a rebalance have limits of their own."""


class Turns:
    """Tells a loop that turns from one that stands still, whatever it waits for."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def turn(self) -> None:
        """The loop begins anew."""
        self._last = time.monotonic()

    @property
    def trouble(self) -> str | None:
        """What is to be said of a loop that stands still."""
        seconds = time.monotonic() - self._last
        return f"it stands still for {seconds:.0f} s" if seconds > TURN_SECONDS else None


async def serve(host: str, port: int, health: Health) -> tuple[web.AppRunner, int]:
    """Serve ``GET /health`` and ``GET /metrics``; returns what is to be cleaned up and the port."""

    async def answer(_: web.Request) -> web.Response:
        state = health()
        return web.json_response(state, status=200 if state.get("healthy") else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    healthy.labels(str(health().get("service"))).set_function(lambda: float(bool(health().get("healthy"))))
    application = web.Application()
    application.router.add_get("/health", answer)
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound: int = runner.addresses[0][1]
    return runner, bound
