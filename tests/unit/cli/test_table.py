"""Tables fit a terminal without shortening names, and are plain columns in a pipe."""

import io
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.bar import Bar
from rich.console import Console
from rich.text import Text

from cli.alerts import show as alerts
from cli.dlq import show as dlq
from cli.table import Column, Table, facts, number, text
from services.alerts.model import Alert, DeadLetter
from services.alerts.states import AlertState, DeadLetterState
from services.alerts.views import Cause

ROOT = Path(__file__).resolve().parents[3]
AT = datetime(2026, 3, 1, tzinfo=UTC)
CHECKOUT = "cart-6ddff56bf5.1"


def written(table: Table, width: int = 80, *, terminal: bool = True) -> str:
    file = io.StringIO()
    table.print(Console(file=file, width=width, force_terminal=terminal, color_system=None))
    return file.getvalue()


def example() -> Table:
    made = Table("id", number("count", 1), Column("", drop=2, graphic=True), text("why"))
    made.add_row("void:1", "7", Bar(7, 0, 7, width=9), "[red]late[/]\nand again")
    made.add_row("refund:22", "1,000", Bar(7, 0, 1, width=9), Text("[as it is]\x1b[2J"))
    return made


def test_a_pipe_gets_plain_columns_whatever_their_width() -> None:
    assert written(example(), 10_000, terminal=False).splitlines() == [
        "id         count  why",
        "void:1         7  late and again",
        "refund:22  1,000  [as it is]�[2J",
    ]


def test_a_pipe_that_says_its_width_gets_what_fits_and_every_name() -> None:
    lines = written(example(), 14, terminal=False).splitlines()
    assert lines[2].startswith("refund:22  [as")
    assert "count" not in lines[0]


def test_a_terminal_leaves_out_what_matters_least_and_says_so() -> None:
    shown = written(example(), 40)
    assert "count" in shown
    assert "No room" not in shown
    assert max(map(len, shown.splitlines())) <= 40
    assert "Left out: count. Use a wider terminal" in " ".join(written(example(), 30).split())


def test_a_name_that_does_not_fit_is_folded_and_not_cut() -> None:
    made = Table("id", number("n"))
    made.add_row("a" * 50, "1")
    shown = written(made, 30)
    assert shown.count("a") == 50
    assert "…" not in shown


def test_a_row_has_a_cell_for_every_column() -> None:
    with pytest.raises(ValueError, match="1 cells for 4 columns"):
        example().add_row("id")


def test_facts_are_those_that_are_known() -> None:
    assert written(facts([("id", "c1"), ("none", None), ("why", "[b]\x1b")]), terminal=False) == "id   c1\nwhy  [b]�\n"


def dead_letter() -> DeadLetter:
    return DeadLetter(
        dead_letter_id="0123456789abcdef",
        state=DeadLetterState.OPEN,
        kind="record",
        service="inventory",
        stage="extend_reservation",
        topic="cart.events",
        partition=3,
        position=123456,
        message_type="quadrille.CheckoutConfirmed.v1",
        error="ZeroDivisionError",
        reason="division by zero",
        last_failed_at=AT,
    )


def test_at_80_columns_a_dead_letter_is_named_whole() -> None:
    shown = written(dlq.table([dead_letter()]))
    assert max(map(len, shown.splitlines())) <= 80
    packed = "".join(shown.split())
    for name in ("0123456789abcdef", "inventory"):
        assert name in shown
    assert "…" not in packed
    assert "reason" in shown
    plain = written(dlq.table([dead_letter()]), 10_000, terminal=False)
    assert "CheckoutConfirmed.v1  cart.events/3/123456" in plain
    assert len(plain.splitlines()) == 2


def test_at_80_columns_an_alert_is_named_whole() -> None:
    alert = Alert(alert_id=f"void:{CHECKOUT}", state=AlertState.OPEN, severity="critical", title=f"The void of {CHECKOUT} " * 3)
    shown = written(alerts.table([alert]))
    assert max(map(len, shown.splitlines())) <= 80
    assert f"void:{CHECKOUT}" in shown
    assert "critical" in shown


def test_an_alert_names_its_runbook() -> None:
    file = io.StringIO()
    alerts.show(Alert("void:c1.1", AlertState.OPEN, "void_failed"), Console(file=file))
    assert "docs/operate.md#void_failed" in file.getvalue()


def test_no_color_is_honoured_and_a_pipe_has_no_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    causes = dlq.reasons_table([Cause("ZeroDivisionError", "cart", 3)])
    assert "\x1b" not in written(causes, terminal=False)
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    dlq.table([dead_letter()]).print(Console(file=file, width=200, force_terminal=True))
    assert "\x1b[3" not in file.getvalue(), "colours are 30 to 37"


@pytest.mark.parametrize(("columns", "width"), [("", 10_000), ("100", 100), ("wide", 10_000)])
def test_the_width_of_a_pipe_is_what_columns_says(columns: str, width: int) -> None:
    program = "from cli.shell import console; print(console.width)"
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    if columns:
        environment["COLUMNS"] = columns
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True)
    assert int(done.stdout) == width


def test_every_table_of_the_command_is_one_of_these() -> None:
    for path in (ROOT / "cli").rglob("*.py"):
        if path.name != "table.py":
            assert "rich.table" not in path.read_text(), path


@pytest.mark.parametrize("arguments", [["--help"], ["alerts", "--help"], ["alerts", "list", "--none"]])
def test_help_and_errors_in_a_pipe_have_no_boxes(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "cli.main", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert "quadrille" in said or "cli.main" in said
    assert not set("╭│─") & set(said)
