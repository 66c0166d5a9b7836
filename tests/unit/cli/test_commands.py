"""Every command has an example in its help, and an exit code for how it ended."""

import io
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.main import app


def commands(command: Any, *path: str) -> list[tuple[str, Any]]:
    """Every command and group, by what is written to call it."""
    names = command.list_commands(command.make_context("", [], resilient_parsing=True)) if _is_group(command) else []
    below = [each for name in names for each in commands(command.get_command(None, name), *path, name)]
    return [(" ".join(path), command), *below]


def _is_group(command: Any) -> bool:
    return hasattr(command, "list_commands")


@pytest.fixture(autouse=True)
def nothing_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and no settings."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("QUADRILLE_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(("line", "command"), commands(typer.main.get_command(app), "quadrille"), ids=str)
def test_the_help_of_a_command_has_an_example(line: str, command: Any) -> None:
    said = CliRunner().invoke(app, [*line.split()[1:], "--help"])
    assert said.exit_code == 0, said.output
    assert command.help
    assert "Example" in (command.epilog or "")
    assert line in (command.epilog or "")
    assert "..." not in said.output.partition("Commands:")[2], "a summary does not fit in 80 columns"


def test_the_version_is_that_of_the_distribution() -> None:
    assert CliRunner().invoke(app, ["--version"]).output == f"quadrille {version('quadrille')}\n"


def call(line: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of a command, and its standard error."""
    with pytest.raises(SystemExit) as ended:
        app(line.split())
    return int(ended.value.code or 0), capsys.readouterr().err


def type_in(monkeypatch: pytest.MonkeyPatch, lines: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))


NOTHING = "nothing is running in .quadrille: run `quadrille up`, or set QUADRILLE_KAFKA_BOOTSTRAP_SERVERS\n"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("status", 1, "nothing is running in .quadrille\n"),
        ("status --json --state elsewhere", 1, "nothing is running in elsewhere\n"),
        ("down", 0, ""),
        ("audit", 2, NOTHING),
        ("migrate", 2, NOTHING),
        ("topics check", 2, NOTHING),
        ("topics create", 2, NOTHING),
        ("send -", 2, NOTHING),
    ],
)
def test_without_a_running_system(
    line: str, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, b'{"type": "PreviewCheckout", "data": {"cart_id": "c1"}}')
    assert call(line, capsys) == (code, said)


def test_invalid_lines_exit_with_code_2_and_their_faults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    type_in(monkeypatch, b'{"type": "Nonsense"}\n\n\xff{}\n')
    code, said = call("send -", capsys)
    first, second = said.splitlines()
    assert code == 2
    assert first.startswith("line 1: 'Nonsense' is not a command. Commands: ")
    assert second == "line 3: not UTF-8"


def test_an_unknown_setting_exits_with_code_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUADRILLE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("QUADRILLE_PARTITION", "6")
    code, said = call("topics check", capsys)
    assert code == 2
    assert "QUADRILLE_PARTITION" in said


def test_an_unreachable_broker_exits_with_code_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUADRILLE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    code, said = call("topics check", capsys)
    assert code == 2
    assert said.startswith("Kafka or a database cannot be reached: ")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("line", ["frobnicate", "status --frobnicate", "send", "send /not/there", "bench --members 3"])
def test_invalid_arguments_exit_with_code_2(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = call(line, capsys)
    assert code == 2
    assert said
