"""Options that several commands share. Help imports this module, so it imports nothing heavy."""

import getpass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from cli.shell import UsageError

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


USER: Final = _login()
"""The operator's login."""
By = Annotated[str, typer.Option(help="Who is acting (default: your login); recorded.", show_default=False)]
Why = Annotated[str, typer.Option(help="The reason; recorded.", show_default=False)]
Timeout = Annotated[float, typer.Option("--timeout", min=1, help="Seconds to wait for each answer.")]
Limit = Annotated[int, typer.Option(min=1, help="Rows per page.")]
Page = Annotated[int, typer.Option(min=1, help="Page number.")]


def parse_since(text: str | None) -> datetime | None:
    """``90s``, ``30m``, ``2h`` or ``3d`` before now, or a time in ISO 8601, in UTC unless it has an offset.

    Raises :class:`cli.shell.UsageError`.
    """
    if text is None:
        return None
    if text[:-1].isdecimal() and text[-1] in _UNITS:
        return datetime.now(UTC) - timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since: {text!r} is neither a duration such as 2h or 3d nor a time in ISO 8601") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
