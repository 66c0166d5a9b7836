"""The first page: the choreography as it moves, what waits, and what came last."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.context import Console, console, page
from services.console.diagram import diagram
from services.journal import overview

LATEST: Final = 8


async def show(request: Request) -> Response:
    """The page."""
    return page(request, "overview.html", live="/live?view=overview", **await values(console(request)))


async def values(here: Console) -> dict[str, Any]:
    """What it shows."""
    sight = here.watcher.last
    return {
        "diagram": diagram(here.choreography, sight, here.settings),
        "confirmed": sum(rate for (_, kind), rate in sight.emitted.items() if kind == "CheckoutConfirmed"),
        "latest": await overview.latest(here.journal, "all", LATEST),
    }
