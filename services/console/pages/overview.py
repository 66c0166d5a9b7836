"""The first page: the live choreography, pending steps and the latest checkouts."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from services.console.context import Console, console, page
from services.console.diagram import diagram
from services.journal import overview

LATEST: Final = 8


async def show(request: Request) -> Response:
    """Show the page."""
    return page(request, "overview.html", live="/live?view=overview", **await values(console(request)))


async def values(here: Console) -> dict[str, Any]:
    """The values of its templates."""
    snapshot = here.watcher.last
    return {
        "diagram": diagram(here.choreography, snapshot, here.settings),
        "confirmed": sum(rate for (_, kind), rate in snapshot.emitted.items() if kind == "CheckoutConfirmed"),
        "latest": await overview.latest(here.journal, "all", LATEST),
    }
