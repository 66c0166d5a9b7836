"""What is new, to browsers that have a page open: the parts of it that live, drawn anew whenever they changed."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.console.context import FRAME, Console, console
from services.console.pages import lag, money, orders, overview
from services.console.watcher import AWAY
from shared.alerts import views
from shared.contract.text import is_plain
from shared.journal.trace import NotOneError, one, trace

RETRY_MS: Final = 3_000
Parts = dict[str, str]
View = Callable[[Console, Mapping[str, str]], Awaitable[Parts]]


async def _frame(here: Console, asked: Mapping[str, str]) -> Parts:
    return {}


async def _overview(here: Console, asked: Mapping[str, str]) -> Parts:
    values = await overview.values(here)
    return {name: here.draw(f"parts/{name}.html", values) for name in ("figures", "diagram", "waiting", "latest")}


async def _lag(here: Console, asked: Mapping[str, str]) -> Parts:
    span = asked.get("span", "")
    return {"lag": here.draw("parts/lag.html", lag.values(here, span if span in lag.SPANS else "5m"))}


async def _money(here: Console, asked: Mapping[str, str]) -> Parts:
    span = asked.get("span", "")
    return {"money": here.draw("parts/money.html", await money.values(here, span if span in money.SPANS else "24h"))}


async def _story(here: Console, asked: Mapping[str, str]) -> Parts:
    try:
        told = await trace(here.journal, await one(here.journal, asked.get("name", "")), here.limits)
    except NotOneError:
        return {}
    values = orders.values(told)
    return {name: here.draw(f"parts/{name}.html", values) for name in ("standing", "story")}


async def _alert(here: Console, asked: Mapping[str, str]) -> Parts:
    try:
        values = {"alert": await views.alert(here.alerts, asked.get("name", ""))}
    except views.NotFoundError:
        return {}
    return {name: here.draw(f"parts/{name}.html", values) for name in ("alert", "done")}


VIEWS: Final[dict[str, View]] = {
    "frame": _frame,
    "overview": _overview,
    "lag": _lag,
    "money": _money,
    "story": _story,
    "alert": _alert,
}


async def stream(request: Request) -> Response:
    """Server-sent events: each a JSON object of parts by name, with their HTML."""
    here, asked = console(request), dict(request.query_params)
    view = VIEWS.get(asked.get("view", ""))
    if view is None or not is_plain(asked.get("name", "")):
        raise HTTPException(404)
    if here.watcher.crowded:
        raise HTTPException(503, "too many pages are open")
    return StreamingResponse(_events(here, view, asked), media_type="text/event-stream")


async def _events(here: Console, view: View, asked: Mapping[str, str]) -> AsyncGenerator[str]:
    known: Parts = {}
    yield f"retry: {RETRY_MS}\n\n"
    async with aclosing(here.watcher.sights()) as sights:
        async for _ in sights:
            parts = {name: here.draw(f"parts/{name}.html", {}) for name in FRAME}
            with suppress(*AWAY):  # the troubles say so
                parts |= await view(here, asked)
            new = {name: html for name, html in parts.items() if known.get(name) != html}
            known |= new
            yield f"data: {json.dumps(new)}\n\n" if new else ": nothing new\n\n"
