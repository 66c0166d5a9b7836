"""Alerts: what needs a person, and what can be done about each."""

from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.console.actions import of_alert, of_money
from services.console.context import console, page
from shared.alerts import views
from shared.alerts.model import AlertState

LISTED: Final = 200
WHICH: Final[dict[str, tuple[AlertState, ...]]] = {
    "unresolved": views.UNRESOLVED_ALERTS,
    **{state: (state,) for state in AlertState},
}


async def index(request: Request) -> Response:
    """The alerts, the one that waits longest first."""
    which = request.query_params.get("which", "unresolved")
    which = which if which in WHICH else "unresolved"
    found = await views.alerts(console(request).alerts, WHICH[which], LISTED + 1)
    values: dict[str, Any] = {"which": which, "choices": tuple(WHICH), "found": found[:LISTED], "more": len(found) > LISTED}
    return page(request, "alerts.html", live="/live?view=frame", **values)


async def show(request: Request) -> Response:
    """One alert. Raises :class:`shared.alerts.views.NotFoundError`."""
    named = request.path_params["alert_id"]
    found = await views.alert(console(request).alerts, named)
    if found.alert_id != named:
        return RedirectResponse(str(request.url_for("alert", alert_id=found.alert_id).path), 303)
    values: dict[str, Any] = {"alert": found, "actions": of_alert(found), "money_actions": of_money(found)}
    return page(request, "alert.html", live=f"/live?view=alert&name={quote(named, safe='')}", **values)
