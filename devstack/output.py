"""The logs of several programs in one stream: text on a terminal, JSON elsewhere."""

import json
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

from shared.runtime.observability.logs import in_words

FIELDS = ("time", "level", "service", "logger", "message", "exception")
COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green")


class Lines:
    """Prints log lines, each after the name of its program."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours: dict[str, str] = {}

    def log(self, name: str, line: str) -> None:
        """Print a log line: text on a terminal, JSON elsewhere."""
        if not self._console.is_terminal:
            self._console.print(as_json(name, line), markup=False, soft_wrap=True)
            return
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        self._console.print(f"[{colour}]{name:<10}[/] {escape(_as_text(line))}", soft_wrap=True)

    def progress(self, text: str) -> None:
        """Print what ``quadrille`` is doing."""
        self._console.print(f"[bold]{'quadrille':<10}[/] {escape(text)}", soft_wrap=True)


def as_json(name: str, line: str) -> str:
    """A log line as JSON; most are JSON already."""
    if _parse(line):
        return line
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": now, "level": "INFO", "service": name, "logger": name, "message": line}, ensure_ascii=False)


def _as_text(line: str) -> str:
    entry = _parse(line)
    if not entry:
        return line
    ids = {name: entry[name] for name in entry if name not in FIELDS}
    text = f"{entry['time'][11:23]} {entry['level']:<7} {entry['message']}{in_words(ids)}"
    return f"{text}\n{entry['exception']}" if "exception" in entry else text


def _parse(line: str) -> dict[str, str]:
    """The fields of a line of :class:`shared.runtime.observability.logs.JsonLines`; empty for any other line."""
    try:
        entry: dict[str, str] = json.loads(line)
        return entry if entry["time"] and entry["level"] and entry["message"] else {}
    except (ValueError, KeyError, TypeError):
        return {}
