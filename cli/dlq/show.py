"""Dead letters, for people."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from rich.bar import Bar
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from cli.alerts.show import history
from cli.staff import age
from cli.table import Column, Table, facts, number, words
from services.alerts.model import Alert, DeadLetter, DeadRecord, LetterState
from services.alerts.payload import DECODED, DUMPED, decoded, dump, shown
from services.alerts.views import Cause
from shared.runtime.records import unpack

COLOURS: Final = {
    LetterState.OPEN: "red",
    LetterState.REDRIVEN: "cyan",
    LetterState.PARKED: "yellow",
    LetterState.RESOLVED: "green",
}


def histogram(causes: Sequence[Cause]) -> Table:
    """Why, and how often."""
    made = Table(number("letters"), Column("", drop=1, picture=True), "service", words("reason"))
    most = max(cause.letters for cause in causes)
    for cause in causes:
        made.add_row(str(cause.letters), Bar(most, 0, cause.letters, width=24), cause.service, escape(cause.cause))
    return made


def table(letters: Sequence[DeadLetter]) -> Table:
    """One line for each."""
    now = datetime.now(UTC)
    made = Table(
        "id",
        Column("state", drop=1),
        "service",
        Column("stage", drop=3),
        words("message", 14),
        words("from", 14),
        Column("failed", drop=2),
        number("back", 4),
        words("reason", 18),
    )
    for letter in letters:
        assert letter.state is not None
        made.add_row(
            letter.letter_id,
            Text(letter.state, COLOURS[letter.state]),
            letter.who,
            escape(letter.stage),
            escape((letter.message_type or "").removeprefix("quadrille.")),
            escape(letter.place),
            age(letter.last_failed_at, now),
            str(letter.returned or ""),
            escape(f"{letter.error}: {letter.reason}"[:120]),
        )
    return made


def show(letter: DeadLetter, record: DeadRecord, alert: Alert, console: Console) -> None:
    """All that is known of one: why, what to do, what was done, and the record decoded and raw."""
    console.print(f"[bold]{escape(alert.title)}[/]", soft_wrap=True)
    console.print(escape(alert.text), soft_wrap=True)
    _facts(letter).print(console)
    if letter.actions:
        history(letter.actions).print(console)
    headers = Table("header", words("value"))
    for name, value in unpack(record.headers):
        headers.add_row(escape(shown(name.encode())), escape(shown(value)))
    headers.print(console)
    console.print(f"[bold]key[/] {escape(shown(record.key))}", soft_wrap=True)
    _payload(record.value, console)


def _facts(letter: DeadLetter) -> Table:
    return facts(
        (
            ("id", letter.letter_id),
            ("state", letter.state),
            ("kind", letter.kind),
            ("alert", letter.alert_id),
            ("service", f"{letter.who}, at {letter.stage}"),
            ("from", letter.place),
            ("checkout", letter.checkout_id),
            (
                "failed",
                f"{letter.seen} times, first {letter.first_failed_at:%Y-%m-%d %H:%M:%S}, last {letter.last_failed_at:%H:%M:%S}",
            ),
            ("redriven", f"{letter.replays} times, came back {letter.returned} times" if letter.replays else ""),
        )
    )


def _payload(value: bytes | None, console: Console) -> None:
    if value is None:
        console.print("[bold]value[/] none")
        return
    console.print(f"[bold]value[/] {len(value)} bytes")
    text = decoded(value)
    if text is not None:
        more = f"\n… and {len(text) - DECODED} characters more; --raw writes all of them" if len(text) > DECODED else ""
        console.print(Text(text[:DECODED] + more), soft_wrap=True)
    console.print("[bold]raw[/]")
    for line in dump(value, DUMPED):
        console.print(Text(line), soft_wrap=True)
    if len(value) > DUMPED:
        console.print("--raw writes all of them")
