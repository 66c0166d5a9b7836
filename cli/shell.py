"""What the commands share: where they look, how they write, and how they end."""

import asyncio
import contextlib
import sys
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from cli import send as sending
from cli import system
from cli.bench.load import LoadError
from cli.up import StartError
from services.alerts.views import NotFoundError
from services.payment.gateways import LedgerError
from shared.runtime.kafka import TopicsError
from shared.runtime.migrations import MigrationsError
from shared.settings import SettingsError
from stack import StackError

T = TypeVar("T")
WRONG, REFUSED = 1, 2
"""Exit codes: something was found wrong; nothing could be done as things are set up."""

State = Annotated[Path, typer.Option(help="The state folder of the embedded stack.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
STATE = Path(".quadrille")
console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


class UsageError(Exception):
    """What was asked for cannot be done so; the message says what to change."""


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What stands in the way is one sentence on standard error and exit code 2."""
    try:
        yield
        return
    except (
        SettingsError,
        system.NotRunningError,
        StackError,
        StartError,
        LoadError,
        TopicsError,
        MigrationsError,
        LedgerError,
        sending.LineError,
        UsageError,
        NotFoundError,
    ) as error:
        sys.stderr.write(f"{error}\n")
    except (KafkaError, SQLAlchemyError, OSError, TimeoutError) as error:
        sys.stderr.write(f"the broker or a database cannot be reached: {error!r}\n")
    sys.exit(REFUSED)


class Quadrille(typer.Typer):
    """The commands; none ends in a traceback because of how things are set up."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the command line says."""
        with refusals():
            return super().__call__(*args, **kwargs)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, with :func:`refusals`."""
    with refusals():
        return asyncio.run(work)
