"""Looks alerts up in their database; what is decided about them travels as commands, and is answered."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic_core import to_jsonable_python

from cli.alerts.show import groups_table, show, table
from cli.paging import Limit, Page, shown
from cli.shell import STATE, Json, State, console, run
from cli.staff import PATIENCE, USER, By, Patience, Why, decide_all, desk, say, typed
from services.alerts import views
from services.alerts.model import Alert, AlertState
from services.alerts.views import AlertFilter, AlertGroup
from shared.client.staff import Decided
from shared.contract.alerts import AcknowledgeAlert, AlertAcknowledged, AlertCommand, AlertEvent, AlertResolved, ResolveAlert

app = typer.Typer(
    no_args_is_help=True,
    help="What needs a person: each alert says what to do about it. The beginning of an id is enough.",
    epilog="Example: quadrille alerts list. Exit codes: 0 done, 1 refused or not answered in time, 2 nothing could be done.",
)
Severity = Literal["critical", "warning"]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Alerts; the beginning of an id is enough.")]


@app.command("list", epilog="Examples: quadrille alerts list; quadrille alerts list --kind void_failed --is open --page 2")
def list_alerts(
    states: Annotated[list[AlertState] | None, typer.Option("--is", help="Only those in this state; may be repeated.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only those of this kind, such as void_failed.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="Only those of this severity.")] = None,
    service: Annotated[str | None, typer.Option(help="Only those of this service.")] = None,
    limit: Limit = 100,
    page: Page = 1,
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """The alerts that are not resolved: money first, then by severity, then the oldest first.

    Where they do not fit on one page, a table of how many there are of each kind comes before them.
    """
    chosen = AlertFilter(states or views.UNRESOLVED_ALERTS, kind, severity, service)

    async def work() -> tuple[int, list[AlertGroup], list[Alert]]:
        async with desk(state) as engine:
            total, groups = await views.alert_groups(engine, chosen)
            return total, groups, await views.alerts(engine, chosen, limit, (page - 1) * limit)

    total, groups, alerts = run(work())
    if as_json:
        found = {"total": total, "groups": [asdict(g) for g in groups], "alerts": [asdict(one) for one in alerts]}
        console.print_json(json.dumps(to_jsonable_python(found)))
    elif total:
        if total > len(alerts):
            groups_table(groups).print(console)
        table(alerts).print(console)
        console.print(shown("alerts", len(alerts), total, page))
    else:
        console.print("No alert needs anybody" if chosen == AlertFilter() else "No alert matches")


@app.command("show", epilog="Example: quadrille alerts show void:CART.1")
def show_alert(
    alert_id: Annotated[str, typer.Argument(metavar="ID", help="The alert; the beginning of its id is enough.")],
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """What happened, what to do, and what was done about it."""

    async def work() -> Alert:
        async with desk(state) as engine:
            return await views.alert(engine, alert_id)

    found = run(work())
    if as_json:
        console.print_json(json.dumps(to_jsonable_python(asdict(found))))
    else:
        show(found, console)


@app.command("ack", epilog='Example: quadrille alerts ack void:CART.1 --why "calling the bank"')
def acknowledge(
    ids: Ids, why: Why, by: By = USER, state: State = STATE, timeout: Patience = PATIENCE, as_json: Json = False
) -> None:
    """Say that somebody works on it."""
    _decide(AcknowledgeAlert, AlertAcknowledged, ids, state, timeout, as_json, by=by, why=why)


@app.command("resolve", epilog='Example: quadrille alerts resolve dead:0123 --why "the writer is mended"')
def resolve(
    ids: Ids,
    why: Why,
    settled: Annotated[bool, typer.Option("--settled", help="The money is settled, though payment never said so.")] = False,
    by: By = USER,
    state: State = STATE,
    timeout: Patience = PATIENCE,
    as_json: Json = False,
) -> None:
    """Say that it is dealt with. An alert of money closes by itself when the money is settled."""
    _decide(ResolveAlert, AlertResolved, ids, state, timeout, as_json, by=by, why=why, settled=settled)


def _decide(
    kind: type[AlertCommand],
    wanted: type[AlertEvent],
    beginnings: list[str],
    state: Path,
    timeout: float,
    as_json: bool,
    **fields: Any,
) -> None:
    async def work() -> list[Decided]:
        async with desk(state) as engine:
            ids = [(await views.alert(engine, beginning)).alert_id for beginning in beginnings]
        return await decide_all(state, [typed(kind, alert_id=alert_id, **fields) for alert_id in ids], wanted, timeout)

    say(run(work()), as_json)
