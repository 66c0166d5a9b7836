"""The joined log: text on a terminal, JSON elsewhere."""

import io
import json

import pytest
from rich.console import Console

from devstack.output import Lines

SAID = {"time": "2026-03-01T12:00:00.000+00:00", "level": "ERROR", "service": "cart", "logger": "l", "message": "failed"}


def told(line: str, *, terminal: bool) -> str:
    """What is written of a line of cart's log."""
    file = io.StringIO()
    Lines(Console(file=file, force_terminal=terminal, color_system=None, width=200)).log("cart", line)
    return file.getvalue()


def test_a_terminal_shows_words_with_ids_and_exception() -> None:
    line = json.dumps({**SAID, "cart_id": "c1", "offset": 3, "exception": "KeyError\n  File"})
    words = "cart       12:00:00.000 ERROR   failed [cart_id=c1 offset=3]\nKeyError\n  File\n"
    assert told(line, terminal=True) == words
    assert told("no [json]", terminal=True) == "cart       no [json]\n"


def test_elsewhere_json_stays_as_it_is() -> None:
    line = json.dumps({**SAID, "message": "[b]" + "x" * 500})
    assert told(line, terminal=False) == line + "\n"


@pytest.mark.parametrize("line", ["no [json]", "7", "[]", '{"time": 1}', "", '"x"'])
def test_elsewhere_any_other_line_becomes_json(line: str) -> None:
    said = json.loads(told(line, terminal=False))
    assert (said["service"], said["message"], said["level"]) == ("cart", line, "INFO")
