"""What every page needs: settings, databases, the watcher, and the template engine."""

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
from services.journal.formatting import count, format_amount
from services.journal.rendering import format_duration, lag_warning
from shared.contract.envelope import MAX_ATTRIBUTE
from shared.progress import Limits
from shared.settings import Settings

NAVIGATION: Final = (
    ("/", "Overview"),
    ("/orders", "Orders"),
    ("/money", "Money"),
    ("/lag", "Lag"),
    ("/alerts", "Alerts"),
    ("/dead-letters", "Dead letters"),
)
BADGES: Final = {"/alerts": "alerts-open", "/dead-letters": "dead-letters-open"}
"""The parts that count the open items of these pages."""
FRAME: Final = (*BADGES.values(), "problems")
"""The parts that are live on every page."""
MARKS: Final = {"open": "failed", "acknowledged": "waits", "redriven": "waits", "parked": "undone"}
"""The style of each state of an alert or dead letter."""


def ago(moment: datetime | float | None) -> str:
    """Format how long ago a time was."""
    if moment is None:
        return "never"
    seconds = max(0.0, time.time() - (moment.timestamp() if isinstance(moment, datetime) else moment))
    return f"{seconds:.0f} s" if seconds < 60 else format_duration(seconds // 60 * 60)


def when(moment: datetime | None) -> Markup:
    """Format a time, UTC, in seconds; with its date if that is not today."""
    if moment is None:
        return Markup()
    moment = moment.astimezone(UTC)
    form = "%H:%M:%S" if moment.date() == datetime.now(UTC).date() else "%Y-%m-%d %H:%M:%S"
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), moment.strftime(form))


def ticks(text: str) -> Markup:
    """Escape text, and mark up what is between backticks as code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup().join(Markup("<code>{}</code>").format(p) if n % 2 else escape(p) for n, p in enumerate(parts))


def link(name: str) -> str:
    """The address of the trace of a name."""
    return f"/orders/{quote(name[:MAX_ATTRIBUTE], safe='')}"


_TEMPLATES: Final = Environment(
    loader=PackageLoader("services.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_TEMPLATES.filters |= {
    "ago": ago,
    "when": when,
    "ticks": ticks,
    "link": link,
    "duration": format_duration,
    "quoted": lambda text: quote(text, safe=""),
    "spaced": lambda text: text.replace("_", " "),
    "counted": count,
}
_TEMPLATES.globals |= {"money": format_amount, "static": address, "navigation": NAVIGATION, "badges": BADGES, "marks": MARKS}


@dataclass(frozen=True)
class Console:
    """The console with its configuration. ``user``: who acts if there is no login; ``None`` if everybody has to log in."""

    settings: Settings
    limits: Limits
    choreography: Choreography
    journal: Any
    alerts: AsyncEngine
    watcher: Watcher
    user: str | None

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Render a template. All values are escaped."""
        snapshot = self.watcher.last
        warning = lag_warning(snapshot.journal_lag) if snapshot.journal_lag else None
        return _TEMPLATES.get_template(template).render(snapshot=snapshot, lag_warning=warning, **values)

    def render_parts(self, values: Mapping[str, Any], *names: str) -> dict[str, str]:
        """Render parts of a page, by name."""
        return {name: self.render(f"parts/{name}.html", values) for name in names}


def console(request: Request) -> Console:
    """The console of this request."""
    found: Console = request.app.state.console
    return found


def page(request: Request, template: str, status: int = 200, /, *, live: str | None = None, **values: Any) -> HTMLResponse:
    """Render a whole page. ``live``: the address of its stream of updates."""
    here = console(request)
    frame = {
        "path": request.url.path,
        "csrf": csrf_token(request),
        "flash": take_flash(request),
        "who": who(request, here.user),
        "logged_in": here.user is None and who(request, None) is not None,
        "live": live,
    }
    return HTMLResponse(here.render(template, {**frame, **values}), status)
