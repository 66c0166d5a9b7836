"""Tables and text of dead letters."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from rich.bar import Bar
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from cli.alerts.show import at, history
from cli.table import Column, Table, age, facts, number, text
from services.alerts.model import Alert, DeadLetter, DeadRecord
from services.alerts.payload import DECODED, DUMPED, bytes_to_json, decoded, dump, shown
from services.alerts.states import DeadLetterState
from services.alerts.views import Cause
from shared.contract.text import counted
from shared.runtime.records import unpack

COLOURS: Final = {
    DeadLetterState.OPEN: "red",
    DeadLetterState.REDRIVEN: "cyan",
    DeadLetterState.PARKED: "yellow",
    DeadLetterState.RESOLVED: "green",
}


def reasons_table(causes: Sequence[Cause]) -> Table:
    """The number of dead letters for each reason, with a bar."""
    made = Table(number("dead letters"), Column("", drop=1, graphic=True), "service", text("reason"))
    most = max(cause.dead_letters for cause in causes)
    for cause in causes:
        made.add_row(str(cause.dead_letters), Bar(most, 0, cause.dead_letters, width=24), cause.service, escape(cause.cause))
    return made


def table(dead_letters: Sequence[DeadLetter]) -> Table:
    """One row per dead letter."""
    now = datetime.now(UTC)
    made = Table(
        *("id", Column("state", drop=1), "service", Column("stage", drop=3)),
        *(text("message", 14), text("from", 14), Column("failed", drop=2)),
        *(number("returns", drop=4), text("reason", 18)),
    )
    for dead_letter in dead_letters:
        assert dead_letter.state is not None
        made.add_row(
            dead_letter.dead_letter_id,
            Text(dead_letter.state, COLOURS[dead_letter.state]),
            dead_letter.who,
            escape(dead_letter.stage),
            escape((dead_letter.message_type or "").removeprefix("quadrille.")),
            escape(dead_letter.place),
            age(dead_letter.last_failed_at, now),
            str(dead_letter.returned or ""),
            escape(f"{dead_letter.error}: {dead_letter.reason}"[:120]),
        )
    return made


def as_data(dead_letter: DeadLetter, record: DeadRecord, alert: Alert) -> dict[str, Any]:
    """One dead letter, its record and what to do, for JSON."""
    headers = [[name, bytes_to_json(value)] for name, value in unpack(record.headers)]
    return {
        **asdict(dead_letter),
        "text": alert.text,
        "record": {"key": bytes_to_json(record.key), "headers": headers, "value": bytes_to_json(record.value)},
    }


def show(dead_letter: DeadLetter, record: DeadRecord, alert: Alert, console: Console) -> None:
    """Why it failed, what to do, what has been done, and the record decoded and raw."""
    console.print(f"[bold]{escape(alert.title)}[/]", soft_wrap=True)
    console.print(escape(alert.text), soft_wrap=True)
    _facts(dead_letter).print(console)
    if dead_letter.actions:
        history(dead_letter.actions).print(console)
    headers = Table("header", text("value"))
    for name, value in unpack(record.headers):
        headers.add_row(escape(shown(name.encode())), escape(shown(value)))
    headers.print(console)
    console.print(f"[bold]key[/] {escape(shown(record.key))}", soft_wrap=True)
    _payload(record.value, console)


def _facts(dead_letter: DeadLetter) -> Table:
    return facts(
        (
            ("id", dead_letter.dead_letter_id),
            ("state", dead_letter.state),
            ("kind", dead_letter.kind),
            ("alert", dead_letter.alert_id),
            ("service", f"{dead_letter.who}, at {dead_letter.stage}"),
            ("from", dead_letter.place),
            ("checkout", dead_letter.checkout_id),
            ("failed", f"{dead_letter.seen} ×, first {at(dead_letter.first_failed_at)}, last {at(dead_letter.last_failed_at)}"),
            ("redriven", f"{dead_letter.replays} ×, returned {dead_letter.returned} ×" if dead_letter.replays else ""),
        )
    )


def _payload(value: bytes | None, console: Console) -> None:
    if value is None:
        console.print("[bold]value[/] none")
        return
    console.print(f"[bold]value[/] {counted(len(value), 'byte')}")
    if (body := decoded(value)) is not None:
        more = f"\n… and {len(body) - DECODED} more characters; --raw writes all" if len(body) > DECODED else ""
        console.print(Text(body[:DECODED] + more), soft_wrap=True)
    console.print("[bold]raw[/]")
    for line in dump(value, DUMPED):
        console.print(Text(line), soft_wrap=True)
    if len(value) > DUMPED:
        console.print("--raw writes all bytes")
