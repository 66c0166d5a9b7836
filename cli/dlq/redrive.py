"""``quadrille dlq redrive``: chooses dead letters, sends them at a limited rate, and prints the outcome of each."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import typer
from rich.markup import escape
from rich.progress import Progress

from cli.decisions import alerts_db, build_command, client_for
from cli.shell import WRONG, UsageError, console, print_json, run
from services.alerts import views
from services.alerts.model import DeadLetter
from services.alerts.views import Filter
from shared.client import CheckoutClient, staff
from shared.client.staff import RedriveResult
from shared.contract.alerts import RedriveDeadLetter
from shared.contract.text import counted

GOOD: Final = ("handled", "would be redriven")
MAX_CONCURRENCY: Final = 256
MAX_BYTES: Final = 64_000_000
"""Dead letters, and bytes of them, in flight at once."""


@dataclass(frozen=True)
class Redrive:
    """Who redrives and why; ``rate``: dead letters per second; ``timeout``: seconds to wait for each outcome."""

    by: str
    why: str
    parked: bool
    rate: float
    timeout: float

    def command(self, dead_letter: DeadLetter) -> RedriveDeadLetter:
        """The command for one dead letter. Raises ``UsageError`` if ``by`` or ``why`` is invalid."""
        return build_command(
            RedriveDeadLetter, dead_letter_id=dead_letter.dead_letter_id, by=self.by, why=self.why, parked=self.parked
        )


def redrive_dead_letters(
    state: Path, ids: Sequence[str], chosen: Filter, every: bool, most: int, how: Redrive, dry_run: bool, as_json: bool
) -> None:
    """Redrive the dead letters with these ids, or those of the filter; exit with :data:`WRONG` unless all were handled."""

    async def work() -> list[RedriveResult]:
        dead_letters = await _choose(state, ids, chosen, every, most)
        if not dry_run:
            return await _redrive_all(state, dead_letters, how, as_json)
        results = [_would(dead_letter, how) for dead_letter in dead_letters]
        if not as_json:
            for result in results:
                _print(result)
        return results

    results = run(work())
    counts = Counter(result.outcome for result in results)
    if as_json:
        print_json({"outcomes": counts, "dead_letters": results})
    elif not results:
        console.print("No dead letters to redrive")
    else:
        outcomes = ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())
        console.print(f"{counted(len(results), 'dead letter')}: {outcomes}")
    if any(result.outcome not in GOOD for result in results):
        raise typer.Exit(WRONG)


async def _choose(state: Path, ids: Sequence[str], chosen: Filter, every: bool, most: int) -> list[DeadLetter]:
    by_filter = every or chosen != Filter(chosen.states)
    if not ids and not by_filter:
        raise UsageError("choose dead letters by ID, by --since, --reason, --service or --topic, or with --all")
    if ids and by_filter:
        raise UsageError("choose dead letters by ID or by filter, not both")
    async with alerts_db(state) as engine:
        if ids:
            return [await views.dead_letter(engine, prefix) for prefix in ids]
        return await views.dead_letters(engine, replace(chosen, kind="record"), most)


async def _redrive_all(state: Path, dead_letters: Sequence[DeadLetter], how: Redrive, as_json: bool) -> list[RedriveResult]:
    hidden = as_json or not console.is_terminal
    async with client_for(state, "alerts") as client:
        with Progress(console=console, disable=hidden, transient=True) as progress:
            task = progress.add_task("Redriving", total=len(dead_letters))

            def report(result: RedriveResult) -> None:
                progress.advance(task)
                if not as_json:
                    _print(result)

            return await redrive_at_rate(client, dead_letters, how, report)


async def redrive_at_rate(
    client: CheckoutClient, dead_letters: Sequence[DeadLetter], how: Redrive, report: Callable[[RedriveResult], None]
) -> list[RedriveResult]:
    """Redrive dead letters in order; calls ``report`` with each outcome when it is known."""
    commands = [how.command(dead_letter) for dead_letter in dead_letters]
    largest = max((dead_letter.size for dead_letter in dead_letters), default=0)
    slots = asyncio.Semaphore(max(1, min(MAX_CONCURRENCY, MAX_BYTES // max(largest, 1))))
    started = time.monotonic()

    async def one(command: RedriveDeadLetter) -> RedriveResult:
        try:
            result = await staff.redrive(client, command, how.timeout)
        finally:
            slots.release()
        report(result)
        return result

    async with asyncio.TaskGroup() as group:
        tasks = []
        for number, command in enumerate(commands):
            await asyncio.sleep(max(0.0, started + number / how.rate - time.monotonic()))
            await slots.acquire()
            tasks.append(group.create_task(one(command)))
    return [task.result() for task in tasks]


def _would(dead_letter: DeadLetter, how: Redrive) -> RedriveResult:
    if fault := dead_letter.why_not_redriven(parked=how.parked):
        return RedriveResult(dead_letter.dead_letter_id, "would be refused", fault.message)
    text = f"{dead_letter.message_type or 'a record'} from {dead_letter.place} to {dead_letter.who}"
    return RedriveResult(dead_letter.dead_letter_id, "would be redriven", text)


def _print(result: RedriveResult) -> None:
    console.print(escape(f"{result.dead_letter_id}  {result.outcome:<10}  {result.text}"), soft_wrap=True)
