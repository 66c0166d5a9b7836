"""What the commands of staff share: who asks and why, and how they hear the answer."""

import contextlib
import getpass
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncEngine

from cli import system
from cli.shell import WRONG, UsageError, console
from shared.client import CheckoutClient
from shared.client.staff import SOURCE, Decided, FaultsError, command, decide
from shared.contract.message import Command, Message
from shared.contract.topics import events_topic
from shared.runtime.postgres.database import connect

C = TypeVar("C", bound=Command)
Why = Annotated[str, typer.Option(help="Why; it is recorded.", show_default=False)]
By = Annotated[str, typer.Option(help="Who; the user of this terminal where it is not said.", show_default=False)]
Patience = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait for the answer.")]
PATIENCE: Final = 30.0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


USER: Final = _user()
"""Who sits at this terminal."""
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def typed(kind: type[C], **fields: Any) -> C:
    """A command, from what was typed. Raises :class:`UsageError` naming every option it does not fit."""
    try:
        return command(kind, **fields)
    except FaultsError as error:
        raise UsageError("; ".join(f"--{field}: {why}" for field, why in error.faults)) from None


async def decide_all(state: Path, commands: Sequence[Command], wanted: type[Message], timeout: float) -> list[Decided]:
    """Publish decisions to alerts and hear what came of each."""
    async with line_to(state, "alerts") as client:
        return [await decide(client, one, wanted, timeout) for one in commands]


def say(outcomes: Sequence[Decided], as_json: bool) -> None:
    """Tell what came of decisions; ends with :data:`WRONG` where one was not done."""
    if as_json:
        console.print_json(json.dumps([asdict(outcome) for outcome in outcomes]))
    else:
        for outcome in outcomes:
            console.print(escape(f"{outcome.subject}  {outcome.words}"), soft_wrap=True)
    if not all(outcome.done for outcome in outcomes):
        raise typer.Exit(WRONG)


def moment(told: str, now: datetime) -> datetime:
    """``90s``, ``30m``, ``2h``, ``3d`` before now, or a moment as ISO 8601 writes it (UTC where it does not say)."""
    if told[:-1].isdecimal() and told[-1] in _UNITS:
        return now - timedelta(**{_UNITS[told[-1]]: int(told[:-1])})
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        raise UsageError(f"--since: {told!r} is neither a time such as 2h or 3d nor a moment in ISO 8601") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def age(at: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    if at is None:
        return ""
    seconds = max(0, int((now - at).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


@contextlib.asynccontextmanager
async def desk(state: Path) -> AsyncIterator[AsyncEngine]:
    """The database of alerts, to look things up in."""
    engine = connect(system.settings(state).database_url("alerts"))
    try:
        yield engine
    finally:
        await engine.dispose()


def line_to(state: Path, service: str) -> CheckoutClient:
    """A client that hears what a service answers."""
    return CheckoutClient(system.settings(state), SOURCE, [events_topic(service)])
