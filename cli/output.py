"""Lines for people: joined logs and progress, plain where there is no terminal."""

import json

from rich.console import Console
from rich.markup import escape

COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green")


class Lines:
    """Writes the lines of several programs, each with the program's name before it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._colours: dict[str, str] = {}

    def say(self, name: str, line: str) -> None:
        """A line of a program's log; one in JSON is put into words."""
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        self._console.print(f"[{colour}]{name:<10}[/] {escape(_in_words(line))}", soft_wrap=True)

    def progress(self, text: str) -> None:
        """What is being done now."""
        self._console.print(f"[bold]{'quadrille':<10}[/] {escape(text)}", soft_wrap=True)


def _in_words(line: str) -> str:
    try:
        said = json.loads(line)
        words = f"{said['time'][11:23]} {said['level']:<7} {said['message']}"
    except (ValueError, KeyError, TypeError):
        return line
    return f"{words}\n{said['exception']}" if "exception" in said else words
