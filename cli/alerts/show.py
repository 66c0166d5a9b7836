"""Tables and text of alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from cli.table import Column, Table, age, facts, number, text
from services.alerts.model import Action, Alert, runbook
from services.alerts.states import AlertState
from services.alerts.views import AlertGroup

COLOURS = {AlertState.OPEN: "red", AlertState.ACKNOWLEDGED: "yellow", AlertState.RESOLVED: "green"}


def table(alerts: Sequence[Alert]) -> Table:
    """One row per alert."""
    now = datetime.now(UTC)
    made = Table(
        *("id", Column("state", drop=2), Column("severity", drop=1), Column("age", drop=3)),
        *(number("seen", drop=4), text("title")),
    )
    for alert in alerts:
        assert alert.state is not None
        state = Text(alert.state, COLOURS[alert.state])
        cells = (alert.severity, age(alert.first_seen_at, now), str(alert.times_seen), escape(alert.title))
        made.add_row(alert.alert_id, state, *cells)
    return made


def groups_table(groups: Sequence[AlertGroup]) -> Table:
    """The number of alerts of each kind."""
    now = datetime.now(UTC)
    made = Table(number("alerts"), "severity", "kind", "service", "oldest")
    for group in groups:
        made.add_row(f"{group.alerts:,}", group.severity, group.kind, escape(group.service), age(group.oldest, now))
    return made


def show(alert: Alert, console: Console) -> None:
    """Everything about one alert."""
    console.print(f"[bold]{escape(alert.title)}[/]", soft_wrap=True)
    console.print(escape(alert.text), soft_wrap=True)
    known = (
        ("id", alert.alert_id),
        ("state", alert.state),
        ("severity", alert.severity),
        ("service", alert.service),
        ("checkout", alert.checkout_id),
        ("seen", f"{alert.times_seen} ×, first {at(alert.first_seen_at)}, last {at(alert.last_seen_at)}"),
        ("dead letters", ", ".join(alert.dead_letters)),
        ("runbook", runbook(alert.kind)),
    )
    facts(known).print(console)
    if alert.actions:
        history(alert.actions).print(console)


def history(actions: Sequence[Action]) -> Table:
    """What was done, by whom and why."""
    made = Table("time", "action", "by", text("why"))
    for action in actions:
        made.add_row(at(action.at), escape(action.what), escape(action.by), escape(action.why))
    return made


def at(moment: datetime | None) -> str:
    """A time to the second, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else ""
