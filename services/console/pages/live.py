"""Streams updates to open pages: the live parts of a page, rendered again whenever they change."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.alerts import views
from services.console.context import FRAME, Console, console
from services.console.pages import alerts, dead_letters, lag, money, orders, overview
from services.console.session import csrf_token, is_logged_in, who
from services.console.watcher import UNREACHABLE
from services.journal.trace import NotOneError, one, trace
from shared.contract.text import is_plain

RETRY_MS: Final = 3_000
Parts = dict[str, str]
View = Callable[[Console, Mapping[str, Any]], Awaitable[Parts]]
"""Renders the parts of a page from its query, the token of its forms (``csrf``) and its user (``who``)."""


async def _frame(here: Console, asked: Mapping[str, Any]) -> Parts:
    return {}


async def _overview(here: Console, asked: Mapping[str, Any]) -> Parts:
    return here.render_parts(await overview.values(here), "figures", "diagram", "waiting", "latest")


async def _lag(here: Console, asked: Mapping[str, Any]) -> Parts:
    return here.render_parts(lag.values(here, asked.get("span", "")), "lag")


async def _money(here: Console, asked: Mapping[str, Any]) -> Parts:
    return here.render_parts(await money.values(here, asked.get("span", "")), "money")


async def _timeline(here: Console, asked: Mapping[str, Any]) -> Parts:
    try:
        match = await one(here.journal, asked.get("name", ""))
        values = orders.values(await trace(here.journal, match, here.limits))
    except NotOneError:
        return {}
    return here.render_parts({**values, **_of_forms(asked), "name": match.name}, "status", "settle", "timeline")


async def _alert(here: Console, asked: Mapping[str, Any]) -> Parts:
    try:
        values = alerts.values(await views.alert(here.alerts, asked.get("name", "")))
    except views.NotFoundError:
        return {}
    return here.render_parts({**values, **_of_forms(asked)}, "alert", "decide_alert", "history")


async def _dead_letter(here: Console, asked: Mapping[str, Any]) -> Parts:
    try:
        values = dead_letters.dead_letter_values(await views.dead_letter(here.alerts, asked.get("name", "")))
    except views.NotFoundError:
        return {}
    return here.render_parts({**values, **_of_forms(asked)}, "dead_letter", "decide_dead_letter", "history")


def _of_forms(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the forms of a part."""
    return {name: asked[name] for name in ("csrf", "who")}


VIEWS: Final[dict[str, View]] = {
    "frame": _frame,
    "overview": _overview,
    "lag": _lag,
    "money": _money,
    "timeline": _timeline,
    "alert": _alert,
    "dead_letter": _dead_letter,
}


async def stream(request: Request) -> Response:
    """Stream server-sent events: each is a JSON object of parts by name, with their HTML."""
    here, asked = console(request), dict(request.query_params)
    view = VIEWS.get(asked.get("view", ""))
    if view is None or not is_plain(asked.get("name", "")):
        raise HTTPException(404)
    if here.watcher.crowded:
        raise HTTPException(503, "too many pages are open")
    frame = {"csrf": csrf_token(request), "who": who(request, here.user)}
    events = _events(here, view, {**asked, **frame}, lambda: is_logged_in(request, here.user))
    return StreamingResponse(events, media_type="text/event-stream")


async def _events(here: Console, view: View, asked: Mapping[str, Any], is_allowed: Callable[[], bool]) -> AsyncGenerator[str]:
    known: Parts = {}
    yield f"retry: {RETRY_MS}\n\n"
    async with aclosing(here.watcher.snapshots()) as snapshots:
        async for _ in snapshots:
            if not is_allowed():
                return
            parts = here.render_parts({}, *FRAME)
            with suppress(*UNREACHABLE):  # the part "problems" says so
                parts |= await view(here, asked)
            new = {name: html for name, html in parts.items() if known.get(name) != html}
            known |= new
            yield f"data: {json.dumps(new)}\n\n" if new else ": no change\n\n"
