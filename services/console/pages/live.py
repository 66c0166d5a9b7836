"""What is new, to browsers that have a page open: the parts of it that live, drawn anew whenever they changed."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.alerts import views
from services.console.actions import of_letter
from services.console.context import FRAME, Console, console
from services.console.pages import alerts, lag, money, orders, overview
from services.console.session import csrf_token, is_at, who
from services.console.watcher import AWAY
from services.journal.trace import NotOneError, one, trace
from shared.contract.text import is_plain

RETRY_MS: Final = 3_000
Parts = dict[str, str]
View = Callable[[Console, Mapping[str, Any]], Awaitable[Parts]]
"""Draws parts, from what the page asked for, the token of its forms (``csrf``) and who is at it (``who``)."""


async def _frame(here: Console, asked: Mapping[str, Any]) -> Parts:
    return {}


async def _overview(here: Console, asked: Mapping[str, Any]) -> Parts:
    values = await overview.values(here)
    return {name: here.draw(f"parts/{name}.html", values) for name in ("figures", "diagram", "waiting", "latest")}


async def _lag(here: Console, asked: Mapping[str, Any]) -> Parts:
    span = asked.get("span", "")
    return {"lag": here.draw("parts/lag.html", lag.values(here, span if span in lag.SPANS else "5m"))}


async def _money(here: Console, asked: Mapping[str, Any]) -> Parts:
    span = asked.get("span", "")
    return {"money": here.draw("parts/money.html", await money.values(here, span if span in money.SPANS else "24h"))}


async def _story(here: Console, asked: Mapping[str, Any]) -> Parts:
    try:
        match = await one(here.journal, asked.get("name", ""))
        told = await trace(here.journal, match, here.limits)
    except NotOneError:
        return {}
    values = {**orders.values(told), **_of_forms(asked), "name": match.name}
    return {name: here.draw(f"parts/{name}.html", values) for name in ("standing", "settle", "story")}


async def _alert(here: Console, asked: Mapping[str, Any]) -> Parts:
    try:
        values = {**alerts.values(await views.alert(here.alerts, asked.get("name", ""))), **_of_forms(asked)}
    except views.NotFoundError:
        return {}
    return {name: here.draw(f"parts/{name}.html", values) for name in ("alert", "decide_alert", "done")}


async def _letter(here: Console, asked: Mapping[str, Any]) -> Parts:
    try:
        letter = await views.letter(here.alerts, asked.get("name", ""))
    except views.NotFoundError:
        return {}
    values = {"letter": letter, "actions": of_letter(letter), **_of_forms(asked)}
    return {name: here.draw(f"parts/{name}.html", values) for name in ("letter", "decide_letter", "letter_done")}


def _of_forms(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What the forms of a part need. They are drawn anew as what is offered changes."""
    return {name: asked[name] for name in ("csrf", "who")}


VIEWS: Final[dict[str, View]] = {
    "frame": _frame,
    "overview": _overview,
    "lag": _lag,
    "money": _money,
    "story": _story,
    "alert": _alert,
    "letter": _letter,
}


async def stream(request: Request) -> Response:
    """Server-sent events: each a JSON object of parts by name, with their HTML."""
    here, asked = console(request), dict(request.query_params)
    view = VIEWS.get(asked.get("view", ""))
    if view is None or not is_plain(asked.get("name", "")):
        raise HTTPException(404)
    if here.watcher.crowded:
        raise HTTPException(503, "too many pages are open")
    frame = {"csrf": csrf_token(request), "who": who(request, here.user)}
    events = _events(here, view, {**asked, **frame}, lambda: is_at(request, here.user))
    return StreamingResponse(events, media_type="text/event-stream")


async def _events(here: Console, view: View, asked: Mapping[str, Any], goes_on: Callable[[], bool]) -> AsyncGenerator[str]:
    known: Parts = {}
    yield f"retry: {RETRY_MS}\n\n"
    async with aclosing(here.watcher.sights()) as sights:
        async for _ in sights:
            if not goes_on():
                return
            parts = {name: here.draw(f"parts/{name}.html", {}) for name in FRAME}
            with suppress(*AWAY):  # the troubles say so
                parts |= await view(here, asked)
            new = {name: html for name, html in parts.items() if known.get(name) != html}
            known |= new
            yield f"data: {json.dumps(new)}\n\n" if new else ": nothing new\n\n"
