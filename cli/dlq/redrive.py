"""``quadrille dlq redrive``: which, how fast, and what became of each."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.progress import Progress

from cli.dlq.replay import Redriving, replay
from cli.dlq.select import Reason, Service, Since, Topic, filtered
from cli.shell import STATE, WRONG, Json, State, UsageError, console, run
from cli.staff import PATIENCE, USER, By, Patience, Why, desk, line_to
from services.alerts import views
from services.alerts.model import DeadLetter, LetterState
from services.alerts.views import Filter
from shared.client.staff import Replayed

EXAMPLES: Final = (
    'Examples: quadrille dlq redrive 0123abcd --why "cart is mended";'
    ' quadrille dlq redrive --service cart --since 2h --why "cart is mended" --max 500 --rate 20 --dry-run'
)
GOOD: Final = ("handled", "would be redriven")


def redrive_letters(
    why: Why,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="These, and no others.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
    since: Since = None,
    reason: Reason = None,
    service: Service = None,
    topic: Topic = None,
    parked: Annotated[bool, typer.Option("--parked", help="Even those that came back too often before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
    most: Annotated[int, typer.Option("--max", min=1, help="At most so many, the one that waits longest first.")] = 1_000,
    rate: Annotated[float, typer.Option(min=0.1, max=1_000, help="At most so many a second.")] = 50.0,
    by: By = USER,
    state: State = STATE,
    timeout: Patience = PATIENCE,
    as_json: Json = False,
) -> None:
    """Send dead letters to the service that failed, and to nobody else; say what became of each.

    What comes back three times is parked. A message that was handled meanwhile changes nothing: the service remembers it.
    """
    how = Redriving(by, why, parked, rate, timeout)

    async def work() -> list[Replayed]:
        states = (LetterState.OPEN, LetterState.PARKED) if parked else (LetterState.OPEN,)
        letters = await _chosen(state, ids or [], filtered(states, since, reason, service, topic), every, most)
        if dry_run:
            return [_would(letter, how) for letter in letters]
        return await _redrive(state, letters, how, as_json)

    outcomes = run(work())
    if dry_run and not as_json:
        for outcome in outcomes:
            _say(outcome)
    _sum_up(outcomes, as_json)
    if any(outcome.outcome not in GOOD for outcome in outcomes):
        raise typer.Exit(WRONG)


async def _chosen(state: Path, ids: Sequence[str], chosen: Filter, every: bool, most: int) -> list[DeadLetter]:
    by_filter = every or chosen != Filter(chosen.states)
    if not ids and not by_filter:
        raise UsageError("say which: by ID, by --since, --reason, --service or --topic, or --all")
    if ids and by_filter:
        raise UsageError("say which either by ID or by a filter, not both")
    async with desk(state) as engine:
        if ids:
            return [await views.letter(engine, beginning) for beginning in ids]
        return await views.letters(engine, replace(chosen, kind="record"), most)


async def _redrive(state: Path, letters: Sequence[DeadLetter], how: Redriving, as_json: bool) -> list[Replayed]:
    hidden = as_json or not console.is_terminal
    async with line_to(state, "alerts") as client:
        with Progress(console=console, disable=hidden, transient=True) as progress:
            task = progress.add_task("Redriving", total=len(letters))

            def heard(replayed: Replayed) -> None:
                progress.advance(task)
                if not as_json:
                    _say(replayed)

            return await replay(client, letters, how, heard)


def _would(letter: DeadLetter, how: Redriving) -> Replayed:
    if fault := letter.why_not_redriven(parked=how.parked):
        return Replayed(letter.letter_id, "would be refused", fault.message)
    words = f"{letter.message_type or 'a record'} from {letter.place} to {letter.who}"
    return Replayed(letter.letter_id, "would be redriven", words)


def _say(replayed: Replayed) -> None:
    console.print(escape(f"{replayed.letter_id}  {replayed.outcome:<10}  {replayed.words}"), soft_wrap=True)


def _sum_up(outcomes: Sequence[Replayed], as_json: bool) -> None:
    counted = Counter(outcome.outcome for outcome in outcomes)
    if as_json:
        console.print_json(json.dumps({"outcomes": counted, "letters": [asdict(outcome) for outcome in outcomes]}))
    elif not outcomes:
        console.print("No dead letter is to be redriven")
    else:
        console.print(f"{len(outcomes)} dead letters: " + ", ".join(f"{n} {what}" for what, n in counted.most_common()))
