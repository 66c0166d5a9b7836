"""Runs a trace: once, or following what happens."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from rich.console import Console

from cli.trace.show import JsonLines, Printer, trace_json
from services.journal import queries
from services.journal.rendering import rows
from services.journal.trace import Trace, one, trace
from shared.progress import limits
from shared.settings import Settings

FOLLOW_SECONDS: Final = 0.3


@asynccontextmanager
async def journal(settings: Settings) -> AsyncIterator[Any]:
    """A connection to the journal's database."""
    db = await queries.connect(settings.database_url("journal"))
    try:
        yield db
    finally:
        await db.close()


async def run_trace(settings: Settings, name: str, console: Console, *, follow: bool, as_json: bool) -> bool:
    """Tell the story of what is called ``name``; returns whether nothing of it is late or needs a person.

    Raises :class:`services.journal.trace.NotOneError` where nothing, or more than one thing, is called so.
    """
    async with journal(settings) as db:
        match = await one(db, name)
        told = await trace(db, match, limits(settings))
        if follow:
            teller = JsonLines(console) if as_json else Printer(console, told)
            told = await _follow(told, lambda: trace(db, match, limits(settings)), teller)
        elif as_json:
            console.print_json(json.dumps(trace_json(told)))
        else:
            _tell(told, console)
    return not any(one.late for one in told.checkouts)


def _tell(told: Trace, console: Console) -> None:
    printer = Printer(console, told)
    printer.heading(told)
    if told.shortened:
        console.print(f"Only the latest {queries.ENTRY_LIMIT} records are told")
    printer.entries(rows(told))
    printer.status(told)


async def _follow(told: Trace, again: Callable[[], Awaitable[Trace]], teller: Printer | JsonLines) -> Trace:
    """Tell what is new until the story is finished."""
    known: set[tuple[str, int, int]] = set()
    said: object = None
    teller.heading(told)
    while True:
        new = [(depth, node) for depth, node in rows(told) if node.entry.place not in known]
        known |= {node.entry.place for _, node in new}
        teller.entries(new)
        status = [(one.outcome, [(step.step, step.late) for step in one.waits]) for one in told.checkouts]
        if status != said:
            said = status
            teller.status(told)
        if told.finished:
            return told
        await asyncio.sleep(FOLLOW_SECONDS)
        told = await again()
