"""Every snippet of the documents can be read as it stands. Some are run, in tests/e2e/test_snippets.py."""

import importlib.util
import json
import re
from typing import Any

import pytest
import typer

from cli.main import app
from cli.send import parse
from shared.contract.envelope import Record, read
from shared.contract.registry import MESSAGES
from tests.support.snippets import PERSON, ROOT, Snippet, commands_in_text, is_for_a_person, parts, snippets

KINDS = {kind.__name__: kind for kind in MESSAGES.values()}
COMMANDS = [command for snippet in snippets("console") for command in snippet.commands]
SHELL = {"echo", "eval", "export", "source"}


def test_every_snippet_says_what_it_is_and_is_of_a_kind_that_is_tested() -> None:
    known = {"console", "json", "mermaid", "python", "sh"}
    assert [snippet for snippet in snippets() if snippet.language not in known] == []
    assert {snippet.file for snippet in snippets("console")} >= {"README.md", "docs/integrate.md", "docs/operate.md"}


def test_python_that_is_no_program_is_in_the_source_as_it_is_shown() -> None:
    source = "".join(path.read_text() for folder in ("services", "shared") for path in (ROOT / folder).rglob("*.py"))
    shown = [snippet for snippet in snippets("python") if not snippet.is_program]
    assert [snippet for snippet in shown if snippet.text not in source] == []


@pytest.mark.parametrize("snippet", snippets("json"), ids=lambda snippet: f"{snippet.file}: {snippet.heading}")
def test_json_is_a_message(snippet: Snippet) -> None:
    said = json.loads(snippet.text)
    if "specversion" in said:
        assert read(Record("", 0, 0, None, snippet.text.encode(), [], 0))[0].id == said["id"]
    elif "type" in said:
        (message,) = parse([snippet.text])
        assert type(message).__name__ == said["type"]
    else:
        KINDS[snippet.heading].model_validate_json(snippet.text, extra="forbid")


@pytest.mark.parametrize("command", [*COMMANDS, *commands_in_text()])
def test_a_command_can_be_read_as_it_is_written(command: str) -> None:
    for inner in re.findall(r"\$\(([^)]+)\)", command):
        check(parts(inner)[0])
    for words in parts(command):
        check(words)


def check(words: list[str]) -> None:
    """Raises where a command is not there, or does not take what it is given."""
    match words:
        case ["quadrille", *arguments]:
            taken(typer.main.get_command(app), "quadrille", arguments)
        case ["make", target, *_]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target
        case ["python", "-m", module, *_]:
            assert importlib.util.find_spec(module), module
        case [first, *_]:
            assert first in SHELL, f"{first}: say how it is tested"


def taken(command: Any, name: str, arguments: list[str], parent: Any = None) -> None:
    """Have the command read its arguments, without doing what they say. Raises click's ``UsageError``."""
    context = command.make_context(name, list(arguments), parent=parent)
    if hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        taken(command.resolve_command(context, rest)[1], rest[0], rest[1:], context)


def test_what_is_left_to_a_person_is_still_in_the_documents() -> None:
    for start in PERSON:
        assert any(command.startswith(start) for command in COMMANDS) or start == "quadrille up", start
    assert not is_for_a_person("quadrille status")
