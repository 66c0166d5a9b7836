"""Orders: a list, a search, and the trace of one."""

from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.console.actions import of_trace
from services.console.context import Console, console, link, page
from services.console.swimlanes import LANES, picture, strip
from services.journal import overview, queries
from services.journal.queries import Match
from services.journal.rendering import heading, status_lines
from services.journal.trace import NotOneError, Trace, one, trace
from shared.contract.text import is_plain
from shared.progress import Outcome

LISTED: Final = 50
WHICH: Final = ("all", "open", "needs_a_person", *Outcome)
LONGEST_NAME: Final = 200


async def index(request: Request) -> Response:
    """List the latest checkouts, or the matches of a search. A single match is opened at once."""
    asked = request.query_params.get("q", "").strip()
    return await _search(request, asked) if asked else await _list(request)


async def _search(request: Request, asked: str) -> Response:
    here = console(request)
    found = await _find(here, asked)
    if found:
        try:
            return RedirectResponse(link((await one(here.journal, asked)).name), 303)
        except NotOneError:
            pass
    return _found(request, asked, found)


def _found(request: Request, asked: str, found: list[Match], status: int = 200) -> Response:
    unknown = queries.unknown(asked)
    return page(request, "found.html", status, asked=asked, found=found, which=None, unknown=unknown[0].upper() + unknown[1:])


async def _find(here: Console, name: str) -> list[Match]:
    return await queries.find(here.journal, name) if is_plain(name) and len(name) <= LONGEST_NAME else []


async def _list(request: Request) -> Response:
    asked = request.query_params
    which = asked.get("which", "all")
    which = which if which in WHICH else "all"
    found = await overview.latest(console(request).journal, which, LISTED + 1, _before(asked.get("before", "")))
    return page(request, "orders.html", which=which, choices=WHICH, asked="", found=found[:LISTED], more=len(found) > LISTED)


def _before(text: str) -> tuple[datetime, str] | None:
    """Parse the last row of the previous page: its start and its id."""
    at, _, checkout_id = text.partition(" ")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return None
    return (moment, checkout_id) if moment.tzinfo and is_plain(checkout_id) else None


async def show(request: Request) -> Response:
    """Show the trace of a name."""
    here, name = console(request), request.path_params["name"]
    found = await _find(here, name)
    try:
        match = await one(here.journal, name) if found else None
    except NotOneError:
        match = None
    if match is None:
        return _found(request, name, found, 404)
    shown = values(await trace(here.journal, match, here.limits))
    live = f"/live?view=timeline&name={link(name).removeprefix('/orders/')}"
    return page(request, "trace.html", live=live, name=match.name, **shown)


def values(found: Trace) -> dict[str, Any]:
    """The values of a trace's templates."""
    return {
        "heading": heading(found),
        "status_lines": status_lines(found),
        "rows": picture(found),
        "strip": strip(found),
        "lanes": LANES,
        "actions": of_trace(found),
        "shortened": found.shortened,
        "entry_limit": queries.ENTRY_LIMIT,
    }
