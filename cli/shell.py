"""What the commands share: where they look, how they write, and how they end.

Every command starts with this module, so it imports nothing that only some of them need.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from typer.core import TyperGroup

from shared.errors import QuadrilleError

T = TypeVar("T")
WRONG, REFUSED = 1, 2
"""Exit codes: something was found wrong; nothing could be done as things are set up."""

State = Annotated[Path, typer.Option(help="The state folder of the embedded stack.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
STATE = Path(".quadrille")
WIDE = 10_000
"""Columns of a pipe, where ``COLUMNS`` does not say how many: whoever reads it wraps it, or does not."""
HELP_WIDTH = 120
_KNOWS_WIDTH = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit()
console = Console(highlight=False, emoji=False, width=None if _KNOWS_WIDTH else WIDE)


class UsageError(QuadrilleError):
    """What was asked for cannot be done so; the message says what to change."""


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """What stands in the way is one sentence on standard error and exit code 2."""
    try:
        yield
    except Exception as error:
        from cli.trouble import sentence

        said = sentence(error)
        if said is None:
            raise
        sys.stderr.write(f"{said}\n")
        sys.exit(REFUSED)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, with :func:`refusals`."""
    with refusals():
        return asyncio.run(work)


@contextlib.contextmanager
def stop_signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call ``stop`` instead of ending us."""
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop)
    try:
        yield
    finally:
        for sign in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(sign)


class Commands(typer.Typer):
    """The commands; none ends in a traceback because of how things are set up."""

    def __init__(self, **settings: Any) -> None:
        """As of typer; help in a pipe is as wide as ``COLUMNS`` says, or as a line is read in comfort."""
        width = {} if sys.stdout.isatty() else {"terminal_width": min(console.width, HELP_WIDTH)}
        super().__init__(context_settings=width, **settings)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do what the command line says."""
        with refusals():
            return super().__call__(*args, **kwargs)


def later(module: str, about: str, example: str) -> typer.Typer:
    """The group of commands that is ``app`` of a module, which is imported when one of them is called or asked about."""

    class Later(TyperGroup):
        def _group(self) -> TyperGroup:
            return typer.main.get_group(import_module(module).app)

        def list_commands(self, ctx: Any) -> list[str]:
            return self._group().list_commands(ctx)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            return self._group().get_command(ctx, cmd_name)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            self._group().format_help(ctx, formatter)

    return typer.Typer(cls=Later, no_args_is_help=True, help=about, epilog=f"Example: {example}")
