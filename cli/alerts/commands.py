"""The alerts commands: queries read the alerts database, decisions travel as commands."""

from dataclasses import asdict
from typing import Annotated, Literal

import typer

from cli.options import USER, By, Limit, Page, Timeout, Why
from cli.shell import STATE, Json, State, console, print_json, run
from services.alerts.states import AlertState

app = typer.Typer(
    no_args_is_help=True,
    help="List, acknowledge and resolve alerts.\n\nA unique prefix of an id is enough.",
    epilog="Example: quadrille alerts list. Exit codes: 0 done, 1 refused or not answered in time, 2 could not run.",
)
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Alert ids; a unique prefix is enough.")]


@app.command("list", epilog="Examples: quadrille alerts list; quadrille alerts list --kind void_failed --is open --page 2")
def list_alerts(
    states: Annotated[list[AlertState] | None, typer.Option("--is", help="Only alerts in this state; may be repeated.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only alerts of this kind, such as void_failed.")] = None,
    severity: Annotated[Literal["critical", "warning"] | None, typer.Option(help="Only alerts of this severity.")] = None,
    service: Annotated[str | None, typer.Option(help="Only alerts of this service.")] = None,
    limit: Limit = 100,
    page: Page = 1,
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """List unresolved alerts.

    Alerts about money come first, then the most severe, then the oldest. If they do not fit on one page, a table of the
    number of alerts of each kind comes first.
    """
    from cli.alerts.show import groups_table, table
    from cli.decisions import alerts_db
    from cli.table import page_line
    from services.alerts import views
    from services.alerts.model import Alert

    chosen = views.AlertFilter(states or views.UNRESOLVED_ALERTS, kind, severity, service)

    async def work() -> tuple[int, list[views.AlertGroup], list[Alert]]:
        async with alerts_db(state) as engine:
            total, groups = await views.alert_groups(engine, chosen)
            return total, groups, await views.alerts(engine, chosen, limit, (page - 1) * limit)

    total, groups, alerts = run(work())
    if as_json:
        print_json({"total": total, "groups": groups, "alerts": alerts})
    elif total:
        if total > len(alerts):
            groups_table(groups).print(console)
        table(alerts).print(console)
        console.print(page_line("alert", len(alerts), total, page))
    else:
        console.print("No unresolved alerts" if chosen == views.AlertFilter() else "No alerts match")


@app.command("show", epilog="Example: quadrille alerts show void:CART.1")
def show_alert(
    alert_id: Annotated[str, typer.Argument(metavar="ID", help="Alert id; a unique prefix is enough.")],
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """Show what happened, what to do, and what has been done."""
    from cli.alerts.show import show
    from cli.decisions import alerts_db
    from services.alerts import views
    from services.alerts.model import Alert, runbook

    async def work() -> Alert:
        async with alerts_db(state) as engine:
            return await views.alert(engine, alert_id)

    found = run(work())
    if as_json:
        print_json({**asdict(found), "runbook": runbook(found.kind)})
    else:
        show(found, console)


@app.command("ack", epilog='Example: quadrille alerts ack void:CART.1 --why "calling the bank"')
def acknowledge(
    ids: Ids, why: Why, by: By = USER, state: State = STATE, timeout: Timeout = 30.0, as_json: Json = False
) -> None:
    """Acknowledge alerts."""
    from cli.decisions import decide
    from shared.contract.alerts import AcknowledgeAlert, AlertAcknowledged

    decide(AcknowledgeAlert, AlertAcknowledged, ids, state, timeout, as_json, by=by, why=why)


@app.command("resolve", epilog='Example: quadrille alerts resolve dead:0123 --why "the producer is fixed"')
def resolve(
    ids: Ids,
    why: Why,
    settled: Annotated[
        bool, typer.Option("--settled", help="Also resolve alerts about money; use it only if the payment is settled.")
    ] = False,
    by: By = USER,
    state: State = STATE,
    timeout: Timeout = 30.0,
    as_json: Json = False,
) -> None:
    """Resolve alerts.

    An alert about money resolves by itself when the payment is settled.
    """
    from cli.decisions import decide
    from shared.contract.alerts import AlertResolved, ResolveAlert

    decide(ResolveAlert, AlertResolved, ids, state, timeout, as_json, by=by, why=why, settled=settled)
