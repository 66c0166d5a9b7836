"""Alerts: a list, and each with its actions."""

from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.alerts import views
from services.alerts.model import Alert, runbook
from services.alerts.states import AlertState
from services.alerts.views import AlertFilter
from services.console.actions import of_alert, of_money
from services.console.context import console, page
from services.console.pages.paging import filter_of, paging

LISTED: Final = 100
SEVERITIES: Final = ("critical", "warning")
WHICH: Final[dict[str, tuple[AlertState, ...]]] = {
    "unresolved": views.UNRESOLVED_ALERTS,
    **{state: (state,) for state in AlertState},
}


async def index(request: Request) -> Response:
    """List alerts, those about money first, then by severity and age; with the number of each kind."""
    asked, engine = request.query_params, console(request).alerts
    which = asked.get("which", "unresolved")
    which = which if which in WHICH else "unresolved"
    filters = {name: filter_of(asked, name) for name in ("kind", "severity", "service")}
    chosen = AlertFilter(WHICH[which], **{name: value or None for name, value in filters.items()})
    total, groups = await views.alert_groups(engine, chosen)
    at = replace(paging(asked, LISTED, {"which": which, **filters}), total=total)
    values: dict[str, Any] = {
        "which": which,
        "choices": tuple(WHICH),
        "filters": filters,
        "severities": SEVERITIES,
        "groups": groups,
        "paging": at,
        "found": await views.alerts(engine, chosen, at.size, at.offset),
    }
    return page(request, "alerts.html", live="/live?view=frame", **values)


async def show(request: Request) -> Response:
    """Show an alert. Raises :class:`services.alerts.views.NotFoundError`."""
    named = request.path_params["alert_id"]
    found = await views.alert(console(request).alerts, named)
    if found.alert_id != named:
        return RedirectResponse(str(request.url_for("alert", alert_id=found.alert_id).path), 303)
    return page(request, "alert.html", live=f"/live?view=alert&name={quote(named, safe='')}", **values(found))


def values(found: Alert) -> dict[str, Any]:
    """The values of an alert's templates."""
    return {
        "alert": found,
        "runbook": runbook(found.kind),
        "history": found.actions,
        "actions": of_alert(found),
        "money_actions": of_money(found),
    }
