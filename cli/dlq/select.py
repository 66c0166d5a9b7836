"""Which dead letters are meant: options that the commands share."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.staff import moment
from services.alerts.views import Filter

Since = Annotated[str | None, typer.Option(help="Failed last since: 30m, 2h, 3d, or a moment in ISO 8601.")]
Reason = Annotated[str | None, typer.Option(help="Words of the error, its message or the stage.")]
Service = Annotated[str | None, typer.Option(help="The service that failed.")]
Topic = Annotated[str | None, typer.Option(help="The topic the record first stood on.")]


def filtered(states: Sequence[str], since: str | None, reason: str | None, service: str | None, topic: str | None) -> Filter:
    """The filter these options make. Raises :class:`cli.shell.UsageError` for a time nobody can read."""
    at = moment(since, datetime.now(UTC)) if since else None
    return Filter(tuple(states), service, topic, reason, at)
