"""A service as the process it is, except that it notes the points it passes, or dies at one of them::

    python -m tests.integration.crash.mortal order notes.txt
    python -m tests.integration.crash.mortal order notes.txt --die-at "after outbox insert" --time 2

Its notes are lines: ``passed`` and a point, once each, and ``often`` and a point that is passed again and again;
``member`` and the id the consumer group gave it; ``died`` and the point. To die is a hard exit: nothing is closed,
flushed or said to anybody.
"""

import argparse
import os
import runpy
from collections import Counter
from pathlib import Path
from typing import Any, Final

from aiokafka.client import AIOKafkaClient

from tests.integration.crash import points

DIED: Final = 86
"""The exit code of a process that died at its point."""
OFTEN: Final = 20


class Notes:
    """What a process writes down, each line at once."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, what: str, name: str) -> None:
        """One line."""
        os.write(self._file, f"{what} {name}\n".encode())


class Death:
    """Waits at a point, for the process to pass it so many times."""

    def __init__(self, notes: Notes, point: str | None, time: int) -> None:
        self._notes, self._point, self._time = notes, point, time
        self._passed: Counter[str] = Counter()

    def passed(self, name: str) -> None:
        """The process is at this point."""
        self._passed[name] += 1
        if self._point is None and self._passed[name] in (1, OFTEN):
            self._notes.write("passed" if self._passed[name] == 1 else "often", name)
        if name == self._point and self._passed[name] == self._time:
            self._notes.write("died", name)
            os._exit(DIED)


def _note_members(notes: Notes) -> None:
    """Note under which id the process is in its consumer group: whoever buries it has to know."""
    send = AIOKafkaClient.send

    async def noted(self: Any, *arguments: Any, **more: Any) -> Any:
        answer = await send(self, *arguments, **more)
        if member := getattr(answer, "member_id", ""):
            notes.write("member", member)
        return answer

    AIOKafkaClient.send = noted


def main() -> None:
    """Run a service until it dies."""
    parser = argparse.ArgumentParser()
    parser.add_argument("service")
    parser.add_argument("notes", type=Path)
    parser.add_argument("--die-at")
    parser.add_argument("--time", type=int, default=1)
    chosen = parser.parse_args()
    notes = Notes(chosen.notes)
    _note_members(notes)
    points.watch(chosen.service, Death(notes, chosen.die_at, chosen.time).passed)
    runpy.run_module(f"services.{chosen.service}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
