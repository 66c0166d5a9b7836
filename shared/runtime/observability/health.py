"""Whether a service lives and whether it is ready, and its metrics, over HTTP."""

import time
from collections.abc import Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.runtime.observability.metrics import healthy, tell_build

State = Callable[[], dict[str, object]]
"""What a service says of itself: its name (``service``), whether it has all it needs (``ready``), and what it lacks."""
STALL_SECONDS: Final = 60.0
"""Longer than any round of a service's loop may take: its statements, its calls, and a rebalance have limits of their own."""


class Heartbeat:
    """Notices that a loop has stalled, whatever it waits for."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def beat(self) -> None:
        """Note that the loop begins a round."""
        self._last = time.monotonic()

    @property
    def trouble(self) -> str | None:
        """How long the loop has stalled, or nothing if it goes on."""
        seconds = time.monotonic() - self._last
        return f"the work loop has stalled for {seconds:.0f} s" if seconds > STALL_SECONDS else None


async def serve(host: str, port: int, state: State, *routes: web.RouteDef) -> tuple[web.AppRunner, int]:
    """Serve ``/livez``, ``/readyz``, ``/metrics`` and further ``routes``; returns what is to be cleaned up and the port.

    ``/livez`` answers 200 as long as the process can answer: where it does not, the process is to be started anew.
    ``/readyz`` answers 503 while the service lacks something it needs, Kafka or its database say, and tells what. That is
    no reason to start it anew: it goes on by itself.
    """
    name = str(state()["service"])

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"service": name, "live": True})

    async def ready(_: web.Request) -> web.Response:
        found = state()
        return web.json_response(found, status=200 if found["ready"] else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    tell_build(name)
    healthy.labels(name).set_function(lambda: float(bool(state()["ready"])))
    application = web.Application()
    application.router.add_get("/livez", live)
    application.router.add_get("/readyz", ready)
    application.router.add_get("/metrics", metrics)
    application.router.add_routes(routes)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    bound: int = runner.addresses[0][1]
    return runner, bound
