"""The story of one world, line by line, for people."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Line:
    """What somebody did at a moment."""

    at: datetime
    who: str
    what: str


class Timeline:
    """Lines in the order of what happened."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def add(self, at: datetime, who: str, what: str) -> None:
        """Note a line."""
        self.lines.append(Line(at, who, what))

    def __iter__(self) -> Iterator[str]:
        """The lines as text: the time since the beginning, only where it changes; who; what."""
        if not self.lines:
            return
        start, before = self.lines[0].at, None
        for line in self.lines:
            time = _since(line.at - start) if line.at != before else ""
            before = line.at
            yield f"{time:>9}  {line.who:<12} {line.what}"


def _since(passed: timedelta) -> str:
    seconds = passed.total_seconds()
    hours, rest = divmod(seconds, 3600)
    return f"{int(hours):d}:{int(rest // 60):02d}:{rest % 60:04.1f}"
