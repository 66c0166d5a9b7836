"""What every page needs: the settings, the databases that are read, and what the watcher saw."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import HTMLResponse

from services.console.assets import address
from services.console.choreography import Choreography
from services.console.session import csrf_token, take_flash, who
from services.console.watcher import Watcher
from services.journal.telling import behind, span
from services.journal.words import amount, clock
from shared.contract.envelope import MAX_ATTRIBUTE
from shared.progress import Limits
from shared.settings import Settings

NAVIGATION: Final = (
    ("/", "Overview"),
    ("/orders", "Orders"),
    ("/money", "Money"),
    ("/lag", "Lag"),
    ("/alerts", "Alerts"),
    ("/letters", "Dead letters"),
)
BADGES: Final = {"/alerts": "alerts-open", "/letters": "letters-open"}
"""The parts that say how much is to be done on these pages."""
FRAME: Final = (*BADGES.values(), "troubles")
"""What lives on every page."""


def ago(moment: datetime | float | None) -> str:
    """How long ago a moment was, as short as it can be said."""
    if moment is None:
        return "never"
    seconds = max(0.0, time.time() - (moment.timestamp() if isinstance(moment, datetime) else moment))
    return f"{seconds:.0f} s" if seconds < 60 else span(seconds // 60 * 60)


def when(moment: datetime | None) -> Markup:
    """A moment, UTC, to the second; with its day where that is not today."""
    if moment is None:
        return Markup()
    moment = moment.astimezone(UTC)
    form = "%H:%M:%S" if moment.date() == datetime.now(UTC).date() else "%Y-%m-%d %H:%M:%S"
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), moment.strftime(form))


def ticks(text: str) -> Markup:
    """Text with what stands between backticks as code. All of it is escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup().join(Markup("<code>{}</code>").format(p) if n % 2 else escape(p) for n, p in enumerate(parts))


def link(name: str) -> str:
    """The page of anything that has a story."""
    return f"/orders/{quote(name[:MAX_ATTRIBUTE], safe='')}"


_TEMPLATES: Final = Environment(
    loader=PackageLoader("services.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.filters |= {
    "ago": ago,
    "when": when,
    "ticks": ticks,
    "link": link,
    "span": span,
    "clock": clock,
    "quoted": lambda text: quote(text, safe=""),
    "spaced": lambda text: text.replace("_", " "),
}
_TEMPLATES.globals |= {"money": amount, "static": address, "navigation": NAVIGATION, "badges": BADGES}


@dataclass(frozen=True)
class Console:
    """The console as it was set up. ``user``: who acts where nobody logs in; nothing where everybody must."""

    settings: Settings
    limits: Limits
    choreography: Choreography
    journal: Any
    alerts: AsyncEngine
    watcher: Watcher
    user: str | None

    def draw(self, template: str, values: Mapping[str, Any]) -> str:
        """A template, filled. Whatever is filled in is escaped."""
        sight = self.watcher.last
        journal = behind(sight.reading) if sight.reading else None
        return _TEMPLATES.get_template(template).render(sight=sight, behind=journal, **values)


def console(request: Request) -> Console:
    """The console this request came to."""
    found: Console = request.app.state.console
    return found


def page(request: Request, template: str, status: int = 200, *, live: str | None = None, **values: Any) -> HTMLResponse:
    """A whole page. ``live``: where it hears what is new."""
    here = console(request)
    frame = {
        "path": request.url.path,
        "csrf": csrf_token(request),
        "flash": take_flash(request),
        "who": who(request, here.user),
        "logged_in": here.user is None and who(request, None) is not None,
        "live": live,
    }
    return HTMLResponse(here.draw(template, {**frame, **values}), status)
