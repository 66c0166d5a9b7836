"""Sends what an operator decided as commands, and prints the outcome of each."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

import typer
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncEngine

from cli import system
from cli.shell import WRONG, UsageError, console, print_json, run
from services.alerts import views
from shared.client import CheckoutClient, staff
from shared.client.staff import DecisionResult, FaultsError
from shared.contract.alerts import AlertCommand, DeadLetterCommand
from shared.contract.message import Command, Message
from shared.contract.topics import events_topic
from shared.runtime.postgres.database import open_engine

C = TypeVar("C", bound=Command)


def alerts_db(state: Path) -> AbstractAsyncContextManager[AsyncEngine]:
    """The database of alerts and dead letters, for queries."""
    return open_engine(system.settings(state).database_url("alerts"))


def client_for(state: Path, service: str) -> CheckoutClient:
    """A client that receives the events of one service."""
    return CheckoutClient(system.settings(state), staff.SOURCE, [events_topic(service)])


def build_command(kind: type[C], **fields: Any) -> C:
    """A command from command-line options. Raises :class:`UsageError` naming every invalid option."""
    try:
        return staff.command(kind, **fields)
    except FaultsError as error:
        raise UsageError("; ".join(f"--{field}: {why}" for field, why in error.faults)) from None


def decide(
    kind: type[AlertCommand] | type[DeadLetterCommand],
    wanted: type[Message],
    prefixes: Sequence[str],
    state: Path,
    timeout: float,
    as_json: bool,
    **fields: Any,
) -> None:
    """Send one command for each alert or dead letter named by a prefix of its id, and print the outcomes.

    ``wanted``: the event that says it is done.
    """
    find = views.alert if issubclass(kind, AlertCommand) else views.dead_letter

    async def work() -> list[DecisionResult]:
        async with alerts_db(state) as engine:
            ids = [getattr(await find(engine, prefix), kind.key_field) for prefix in prefixes]
        commands = [build_command(kind, **{kind.key_field: each}, **fields) for each in ids]
        async with client_for(state, "alerts") as client:
            return [await staff.decide(client, command, wanted, timeout) for command in commands]

    print_results(run(work()), as_json)


def print_results(results: Sequence[DecisionResult], as_json: bool) -> None:
    """Print the outcome of every decision; exit with :data:`WRONG` unless all were done."""
    if as_json:
        print_json(results)
    else:
        for result in results:
            console.print(escape(f"{result.subject}  {result.text}"), soft_wrap=True)
    if not all(result.done for result in results):
        raise typer.Exit(WRONG)
