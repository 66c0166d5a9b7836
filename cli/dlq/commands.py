"""The dlq commands: queries read the alerts database, decisions travel as commands."""

import sys
from typing import Annotated, Final

import typer

from cli.options import USER, By, Limit, Page, Timeout, Why, parse_since
from cli.shell import STATE, Json, State, console, print_json, report_errors, run
from services.alerts.states import DeadLetterState

MAX_REASONS: Final = 20
"""Rows of the table of reasons."""

app = typer.Typer(
    no_args_is_help=True,
    help="List, redrive, park and resolve dead letters.\n\nA dead letter is a message that a service could not read or"
    " handle. A unique prefix of its id is enough.",
    epilog="Example: quadrille dlq list. Exit codes: 0 done, 1 refused, failed again or not answered in time, 2 could not run.",
)
States = Annotated[list[DeadLetterState] | None, typer.Option("--is", help="Only dead letters in this state; may be repeated.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Dead letter ids; a unique prefix is enough.")]
Since = Annotated[str | None, typer.Option(help="Only if last failed since then: 30m, 2h, 3d, or a time in ISO 8601.")]
Reason = Annotated[str | None, typer.Option(help="Only if the error, its message or the stage contains this text.")]
Service = Annotated[str | None, typer.Option(help="Only if this service failed.")]
Topic = Annotated[str | None, typer.Option(help="Only if the record came from this topic.")]


@app.command("list", epilog="Example: quadrille dlq list --since 2h --service cart --reason json")
def list_dead_letters(
    since: Since = None,
    reason: Reason = None,
    service: Service = None,
    topic: Topic = None,
    states: States = None,
    limit: Limit = 50,
    page: Page = 1,
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """List unresolved dead letters and their reasons.

    Failed compensations come first, then the dead letters that have waited longest.
    """
    from cli.decisions import alerts_db
    from cli.dlq.show import reasons_table, table
    from cli.table import page_line
    from services.alerts import views
    from services.alerts.model import DeadLetter

    async def work() -> tuple[int, list[views.Cause], list[DeadLetter]]:
        chosen = views.Filter(states or views.UNRESOLVED_DEAD_LETTERS, service, topic, reason, parse_since(since))
        async with alerts_db(state) as engine:
            total, causes = await views.causes(engine, chosen, MAX_REASONS)
            return total, causes, await views.dead_letters(engine, chosen, limit, (page - 1) * limit)

    total, causes, dead_letters = run(work())
    if as_json:
        print_json({"total": total, "reasons": causes, "dead_letters": dead_letters})
    elif total:
        reasons_table(causes).print(console)
        table(dead_letters).print(console)
        console.print(page_line("dead letter", len(dead_letters), total, page))
    else:
        console.print("No dead letters")


@app.command("show", epilog="Examples: quadrille dlq show 0123abcd; quadrille dlq show 0123abcd --raw > record.bin")
def show_dead_letter(
    dead_letter_id: Annotated[str, typer.Argument(metavar="ID", help="Dead letter id; a unique prefix is enough.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write only the bytes of the record's value.")] = False,
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """Show why a message failed, what to do, and the record.

    Also shows what has been done so far. The record is shown decoded and raw.
    """
    from cli.decisions import alerts_db
    from cli.dlq.show import as_data, show
    from services.alerts import views
    from services.alerts.model import Alert, DeadLetter, DeadRecord

    async def work() -> tuple[DeadLetter, DeadRecord, Alert]:
        async with alerts_db(state) as engine:
            dead_letter = await views.dead_letter(engine, dead_letter_id)
            return (
                dead_letter,
                await views.record(engine, dead_letter.dead_letter_id),
                await views.alert(engine, dead_letter.alert_id),
            )

    dead_letter, record, alert = run(work())
    if raw:
        sys.stdout.buffer.write(record.value or b"")
    elif as_json:
        print_json(as_data(dead_letter, record, alert))
    else:
        show(dead_letter, record, alert, console)


@app.command(
    "redrive",
    epilog='Examples: quadrille dlq redrive 0123abcd --why "cart is fixed"; quadrille dlq redrive --service cart --since 2h'
    ' --why "cart is fixed" --max 500 --rate 20 --dry-run',
)
def redrive(
    why: Why,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="Only these dead letters.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every open dead letter.")] = False,
    since: Since = None,
    reason: Reason = None,
    service: Service = None,
    topic: Topic = None,
    parked: Annotated[bool, typer.Option("--parked", help="Also parked dead letters.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be redriven.")] = False,
    most: Annotated[int, typer.Option("--max", min=1, help="Redrive at most this many, the longest-waiting first.")] = 1_000,
    rate: Annotated[float, typer.Option(min=0.1, max=1_000, help="Redrive at most this many per second.")] = 50.0,
    by: By = USER,
    state: State = STATE,
    timeout: Timeout = 30.0,
    as_json: Json = False,
) -> None:
    """Send dead letters again to the service that failed.

    Only that service receives them; it ignores a message that it has handled meanwhile. Prints the outcome of each dead
    letter. One that fails three redrives is parked.
    """
    from cli.dlq.redrive import Redrive, redrive_dead_letters
    from services.alerts.views import Filter

    states = (DeadLetterState.OPEN, DeadLetterState.PARKED) if parked else (DeadLetterState.OPEN,)
    with report_errors():
        chosen = Filter(states, service, topic, reason, parse_since(since))
    redrive_dead_letters(state, ids or [], chosen, every, most, Redrive(by, why, parked, rate, timeout), dry_run, as_json)


@app.command("park", epilog='Example: quadrille dlq park 0123abcd --why "waits for Monday\'s release"')
def park(ids: Ids, why: Why, by: By = USER, state: State = STATE, timeout: Timeout = 30.0, as_json: Json = False) -> None:
    """Park dead letters: only `redrive --parked` takes them."""
    from cli.decisions import decide
    from shared.contract.alerts import DeadLetterParked, ParkDeadLetter

    decide(ParkDeadLetter, DeadLetterParked, ids, state, timeout, as_json, by=by, why=why)


@app.command("resolve", epilog='Example: quadrille dlq resolve 0123abcd --why "test data"')
def resolve(ids: Ids, why: Why, by: By = USER, state: State = STATE, timeout: Timeout = 30.0, as_json: Json = False) -> None:
    """Resolve dead letters that need no redrive, and their alerts."""
    from cli.decisions import decide
    from shared.contract.alerts import DeadLetterResolved, ResolveDeadLetter

    decide(ResolveDeadLetter, DeadLetterResolved, ids, state, timeout, as_json, by=by, why=why)
