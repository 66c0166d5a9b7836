"""What can happen next, and what will happen when its time has come."""

import heapq
from collections.abc import Callable
from datetime import datetime


class Happening:
    """Something the scheduler may choose. ``place`` is where it stands among what can happen now, -1 where it cannot."""

    __slots__ = ("act", "place")

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act
        self.place = -1


class Agenda:
    """What can happen ``now``, in no order, each once."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now: list[Happening] = []

    def add(self, happening: Happening) -> None:
        """From now on it can happen."""
        if happening.place < 0:
            happening.place = len(self.now)
            self.now.append(happening)

    def remove(self, happening: Happening) -> None:
        """It cannot happen any more."""
        place = happening.place
        if place >= 0:
            last = self.now.pop()
            if last is not happening:
                self.now[place] = last
                last.place = place
            happening.place = -1


class Timers:
    """What will happen at a moment."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Happening]] = []
        self._count = 0

    def set(self, moment: datetime, happening: Happening) -> None:
        """Let it happen then."""
        self._count += 1
        heapq.heappush(self._heap, (moment, self._count, happening))

    def next(self) -> datetime | None:
        """When the first is due."""
        return self._heap[0][0] if self._heap else None

    def ring(self, now: datetime, agenda: Agenda) -> None:
        """Move what is due by now to the agenda."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            agenda.add(heapq.heappop(heap)[2])
