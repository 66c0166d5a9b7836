"""Looks dead letters up in alerts' database; what is decided about them travels as commands, and is answered."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic_core import to_jsonable_python

from cli.dlq.redrive import EXAMPLES, redrive_letters
from cli.dlq.select import Reason, Service, Since, Topic, filtered
from cli.dlq.show import histogram, show, table
from cli.paging import Limit, Page, shown
from cli.shell import STATE, Json, State, console, run
from cli.staff import PATIENCE, USER, By, Patience, Why, decide_all, desk, say, typed
from services.alerts import views
from services.alerts.model import Alert, DeadLetter, DeadRecord, LetterState
from services.alerts.payload import told
from services.alerts.views import Cause
from shared.client.staff import Decided
from shared.contract.alerts import (
    DeadLetterCommand,
    DeadLetterEvent,
    DeadLetterParked,
    DeadLetterResolved,
    ParkDeadLetter,
    ResolveDeadLetter,
)
from shared.runtime.records import unpack

CAUSES: Final = 20
"""Reasons a histogram shows."""

app = typer.Typer(
    no_args_is_help=True,
    help="Messages that could not be read or handled, and what becomes of them. The beginning of an id is enough.",
    epilog="Example: quadrille dlq list. Exit codes: 0 done, 1 refused, back again or not answered, 2 nothing could be done.",
)
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Dead letters; the beginning of an id is enough.")]


@app.command("list", epilog="Example: quadrille dlq list --since 2h --service cart --reason json")
def list_letters(
    since: Since = None,
    reason: Reason = None,
    service: Service = None,
    topic: Topic = None,
    states: Annotated[list[LetterState] | None, typer.Option("--is", help="Only those in this state; may be repeated.")] = None,
    limit: Limit = 50,
    page: Page = 1,
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """The dead letters that are not resolved: why, how often, and which.

    Failed compensations come first, then the one that waits longest.
    """

    async def work() -> tuple[int, list[Cause], list[DeadLetter]]:
        chosen = filtered(states or views.UNRESOLVED_LETTERS, since, reason, service, topic)
        async with desk(state) as engine:
            total, causes = await views.causes(engine, chosen, CAUSES)
            return total, causes, await views.letters(engine, chosen, limit, (page - 1) * limit)

    total, causes, letters = run(work())
    if as_json:
        found = {"total": total, "reasons": [asdict(c) for c in causes], "letters": [asdict(one) for one in letters]}
        console.print_json(json.dumps(to_jsonable_python(found)))
    elif total:
        histogram(causes).print(console)
        table(letters).print(console)
        console.print(shown("dead letters", len(letters), total, page))
    else:
        console.print("No dead letters")


@app.command("show", epilog="Examples: quadrille dlq show 0123abcd; quadrille dlq show 0123abcd --raw > record.bin")
def show_letter(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The dead letter; the beginning of its id is enough.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the value's bytes and nothing else.")] = False,
    state: State = STATE,
    as_json: Json = False,
) -> None:
    """Why it failed, what to do, what was done about it, and the record itself, decoded and raw."""

    async def work() -> tuple[DeadLetter, DeadRecord, Alert]:
        async with desk(state) as engine:
            letter = await views.letter(engine, letter_id)
            return letter, await views.record(engine, letter.letter_id), await views.alert(engine, letter.alert_id)

    letter, record, alert = run(work())
    if raw:
        sys.stdout.buffer.write(record.value or b"")
    elif as_json:
        headers = [[name, told(value)] for name, value in unpack(record.headers)]
        bytes_ = {"key": told(record.key), "headers": headers, "value": told(record.value)}
        console.print_json(json.dumps(to_jsonable_python({**asdict(letter), "text": alert.text, "record": bytes_})))
    else:
        show(letter, record, alert, console)


app.command("redrive", epilog=EXAMPLES)(redrive_letters)


@app.command("park", epilog='Example: quadrille dlq park 0123abcd --why "waits for the release of Monday"')
def park(ids: Ids, why: Why, by: By = USER, state: State = STATE, timeout: Patience = PATIENCE, as_json: Json = False) -> None:
    """Set dead letters aside: they are not redriven with others until somebody names them."""
    _decide(ParkDeadLetter, DeadLetterParked, ids, state, timeout, as_json, by=by, why=why)


@app.command("resolve", epilog='Example: quadrille dlq resolve 0123abcd --why "garbage of a test"')
def resolve(
    ids: Ids, why: Why, by: By = USER, state: State = STATE, timeout: Patience = PATIENCE, as_json: Json = False
) -> None:
    """Say that dead letters need nothing any more; their alerts close."""
    _decide(ResolveDeadLetter, DeadLetterResolved, ids, state, timeout, as_json, by=by, why=why)


def _decide(
    kind: type[DeadLetterCommand],
    wanted: type[DeadLetterEvent],
    beginnings: list[str],
    state: Path,
    timeout: float,
    as_json: bool,
    **fields: str,
) -> None:
    async def work() -> list[Decided]:
        async with desk(state) as engine:
            ids = [(await views.letter(engine, beginning)).letter_id for beginning in beginnings]
        return await decide_all(state, [typed(kind, letter_id=letter_id, **fields) for letter_id in ids], wanted, timeout)

    say(run(work()), as_json)
