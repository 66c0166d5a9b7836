"""What can happen next, and what will happen when its time has come."""

import heapq
from collections.abc import Callable
from datetime import datetime


class Event:
    """Something the scheduler may choose. ``place`` is where it stands among what can happen now, -1 where it cannot."""

    __slots__ = ("act", "place")

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act
        self.place = -1


class ReadySet:
    """The ``events`` that can happen now, in no order, each once."""

    __slots__ = ("events",)

    def __init__(self) -> None:
        self.events: list[Event] = []

    def add(self, event: Event) -> None:
        """From now on it can happen."""
        if event.place < 0:
            event.place = len(self.events)
            self.events.append(event)

    def remove(self, event: Event) -> None:
        """It cannot happen any more."""
        place = event.place
        if place >= 0:
            last = self.events.pop()
            if last is not event:
                self.events[place] = last
                last.place = place
            event.place = -1


class Timers:
    """What will happen at a moment."""

    __slots__ = ("_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, Event]] = []
        self._count = 0

    def set(self, moment: datetime, event: Event) -> None:
        """Let it happen then."""
        self._count += 1
        heapq.heappush(self._heap, (moment, self._count, event))

    def next(self) -> datetime | None:
        """When the first is due."""
        return self._heap[0][0] if self._heap else None

    def move_due(self, now: datetime, ready: ReadySet) -> None:
        """Move what is due by now to those that can happen."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            ready.add(heapq.heappop(heap)[2])
