"""What all commands share: the console, common options, exit codes and errors.

Help imports this module, so it imports nothing heavy.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from shared.errors import QuadrilleError

T = TypeVar("T")
WRONG, REFUSED = 1, 2
"""Exit codes: a problem was found; the command could not run."""

State = Annotated[Path, typer.Option(help="State folder of the embedded stack.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
STATE = Path(".quadrille")
PIPE_WIDTH = 10_000
"""Columns of a pipe, unless ``COLUMNS`` is set: its reader wraps lines."""
HELP_WIDTH = 120
_KNOWS_WIDTH = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
console = Console(highlight=False, emoji=False, width=None if _KNOWS_WIDTH else PIPE_WIDTH)


class UsageError(QuadrilleError):
    """The arguments cannot be used; the message says what to change."""


@contextlib.contextmanager
def report_errors() -> Iterator[None]:
    """Print an expected error as one sentence on standard error and exit with code 2."""
    try:
        yield
    except Exception as error:
        from cli.errors import sentence

        if (message := sentence(error)) is None:
            raise
        sys.stderr.write(f"{message}\n")
        sys.exit(REFUSED)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, with :func:`report_errors`."""
    import asyncio

    with report_errors():
        return asyncio.run(work)


def print_json(value: object, to: Console = console) -> None:
    """Print dataclasses, enums, times and plain values as JSON."""
    from pydantic_core import to_jsonable_python

    to.print_json(data=to_jsonable_python(value))


@contextlib.contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call ``stop`` on SIGINT and SIGTERM, in place of ending the process."""
    import asyncio

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


class Commands(typer.Typer):
    """The command line; expected errors never end in a traceback."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Parse the command line and run its command."""
        with report_errors():
            return super().__call__(*args, **kwargs)
