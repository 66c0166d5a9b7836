"""Joined logs and progress: for people on a terminal, JSON and plain text elsewhere."""

import json
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

from shared.runtime.observability.logs import in_words

LINE = ("time", "level", "service", "logger", "message", "exception")
COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green")


class Lines:
    """Writes the lines of several programs, each with the program's name before it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours: dict[str, str] = {}

    def say(self, name: str, line: str) -> None:
        """A line of a program's log: in words on a terminal, in JSON elsewhere."""
        if not self._console.is_terminal:
            self._console.print(as_json(name, line), markup=False, soft_wrap=True)
            return
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        self._console.print(f"[{colour}]{name:<10}[/] {escape(_in_words(line))}", soft_wrap=True)

    def progress(self, text: str) -> None:
        """What is being done now."""
        self._console.print(f"[bold]{'quadrille':<10}[/] {escape(text)}", soft_wrap=True)


def as_json(name: str, line: str) -> str:
    """A line of a program's log as JSON, which most are already."""
    if _read(line):
        return line
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": now, "level": "INFO", "service": name, "logger": name, "message": line}, ensure_ascii=False)


def _in_words(line: str) -> str:
    said = _read(line)
    if not said:
        return line
    ids = {name: said[name] for name in said if name not in LINE}
    words = f"{said['time'][11:23]} {said['level']:<7} {said['message']}{in_words(ids)}"
    return f"{words}\n{said['exception']}" if "exception" in said else words


def _read(line: str) -> dict[str, str]:
    """A line in the form of :class:`shared.runtime.observability.logs.JsonLines`; nothing where it is none."""
    try:
        said: dict[str, str] = json.loads(line)
        return said if said["time"] and said["level"] and said["message"] else {}
    except (ValueError, KeyError, TypeError):
        return {}
