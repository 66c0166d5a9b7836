"""Watches: how much happens, how far the groups are behind, what waits and what is open; a while of it is remembered.

It looks often while somebody has a page open, and seldom else, so that it costs next to nothing.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from aiokafka.errors import KafkaError
from asyncpg import InterfaceError, PostgresError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.alerts import views
from services.console.choreography import Edge
from services.journal import overview, queries
from services.journal.overview import Queue
from services.journal.queries import Reading
from shared.lag.judgement import Status
from shared.lag.model import NEVER, Group, Snapshot
from shared.lag.reader import LagReader
from shared.lag.window import Window
from shared.progress import limits
from shared.runtime.observability.repeats import REPEATED
from shared.settings import Settings
from shared.timeouts import happens

log = logging.getLogger(__name__)
T = TypeVar("T")
LOOK_SECONDS: Final = 2.0
IDLE_SECONDS: Final = 10.0
"""How often is looked while somebody watches, and while nobody does."""
RATE_SECONDS: Final = 10.0
"""What happened so lately makes a rate."""
KEPT_SECONDS: Final = 1_800.0
"""How long looks are remembered."""
JUDGED_LOOKS: Final = 5
WATCHERS: Final = 100
NO_JOURNAL: Final = "The journal's database cannot be reached; this page may be incomplete"
NO_ALERTS: Final = "The database of alerts cannot be reached; open alerts cannot be counted"
NO_KAFKA: Final = "Kafka cannot be reached; the lag cannot be shown, and nothing that is decided here can be sent"
AWAY: Final = (KafkaError, SQLAlchemyError, PostgresError, InterfaceError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Point:
    """How far groups were behind at one moment. ``lag``: records; ``age``: seconds the oldest has waited."""

    at: float
    lag: Mapping[str, int]
    age: Mapping[str, float]


@dataclass(frozen=True)
class Sight:
    """What was seen last. Nothing, where it could not be looked at: ``troubles`` says why.

    ``emitted``: messages a second by writer and type; ``answers``: events a second that answers of the gateway led to.
    ``groups`` and ``statuses`` by the group's name without the shop's prefix.
    """

    at: float
    emitted: Mapping[tuple[str, str], float] = field(default_factory=dict)
    answers: float = 0.0
    waiting: Sequence[Queue] = ()
    reading: Reading | None = None
    groups: Mapping[str, Group] = field(default_factory=dict)
    statuses: Mapping[str, Status | None] = field(default_factory=dict)
    open_alerts: views.Open | None = None
    troubles: tuple[str, ...] = ()

    def waits(self, edge: Edge, topic: str) -> tuple[int, float] | None:
        """Records of an edge's topic (as the broker calls it) that wait for its reader, and for how long the oldest has.

        Nothing where that is not known.
        """
        group = self.groups.get(edge.group)
        if group is None:
            return None
        found = [p for (name, _), p in group.positions.items() if name == topic and p.lag != NEVER]
        return sum(p.lag for p in found), max((p.age or 0.0 for p in found), default=0.0)


class Watcher:
    """Looks until cancelled. ``last`` is what was seen last, ``points`` what was seen of the lag for a while."""

    def __init__(self, settings: Settings, journal: Any, alerts: AsyncEngine) -> None:
        self._settings, self._journal, self._alerts = settings, journal, alerts
        self._limits = limits(settings)
        self._window = Window(JUDGED_LOOKS)
        self._reader: LagReader | None = None
        self._looking: asyncio.Task[Snapshot | None] | None = None
        self._snapshot_seen: Snapshot | None = None
        self._lag_known = False
        self._news = asyncio.Condition()
        self._wanted = asyncio.Event()
        self._watchers = 0
        self._stopped = False
        self.last = Sight(time.time(), troubles=("Nothing was looked at yet",))
        self.points: deque[Point] = deque()

    @property
    def crowded(self) -> bool:
        """Whether so many watch that nobody else may."""
        return self._watchers >= WATCHERS

    async def sights(self) -> AsyncGenerator[Sight]:
        """What is seen, look by look, until the watcher stops."""
        self._watchers += 1
        self._wanted.set()
        try:
            yield self.last
            while not self._stopped:
                seen = self.last
                async with self._news:
                    await self._news.wait_for(partial(self._is_over, seen))
                yield self.last
        finally:
            self._watchers -= 1

    def _is_over(self, seen: Sight) -> bool:
        return self._stopped or self.last is not seen

    async def stop(self) -> None:
        """Whoever watches is told that nothing more will come."""
        self._stopped = True
        async with self._news:
            self._news.notify_all()

    async def run(self) -> None:
        """Look; what is away is looked for again."""
        try:
            while not self._stopped:
                due = time.monotonic() + LOOK_SECONDS
                await self.look()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not self._watchers:
                    self._wanted.clear()
                    await happens(self._wanted, IDLE_SECONDS - LOOK_SECONDS)
        finally:
            if self._looking:
                self._looking.cancel()
                await asyncio.gather(self._looking, return_exceptions=True)
            await self._close_reader()

    async def look(self) -> None:
        """Look once, at everything."""
        troubles: dict[str, None] = {}

        async def attempt(trouble: str, look: Callable[[], Awaitable[T]]) -> T | None:
            try:
                return await look()
            except AWAY as error:
                log.warning("%s: %r", trouble, error, extra=REPEATED)
                troubles[trouble] = None
                return None

        self._looking = self._looking or asyncio.create_task(attempt(NO_KAFKA, self._snapshot))
        happened = await attempt(NO_JOURNAL, lambda: overview.happened(self._journal, RATE_SECONDS))
        waiting = await attempt(NO_JOURNAL, lambda: overview.waiting(self._journal, self._limits))
        reading = await attempt(NO_JOURNAL, lambda: queries.reading(self._journal))
        open_alerts = await attempt(NO_ALERTS, lambda: views.count_open(self._alerts))
        snapshot = await self._lag()
        if snapshot is None:
            troubles[NO_KAFKA] = None
        self.last = Sight(
            time.time(),
            {name: count / RATE_SECONDS for name, count in happened.emitted.items()} if happened else {},
            happened.answers / RATE_SECONDS if happened else 0.0,
            waiting or (),
            reading,
            self._named(snapshot.groups) if snapshot else {},
            self._named(self._window.statuses()) if snapshot else {},
            open_alerts,
            tuple(troubles),
        )
        async with self._news:
            self._news.notify_all()

    async def _lag(self) -> Snapshot | None:
        """The lag as it was seen last. A broker that does not answer keeps nothing else from being seen."""
        assert self._looking is not None
        done, _ = await asyncio.wait({self._looking}, timeout=LOOK_SECONDS if self._lag_known else None)
        if done:
            self._snapshot_seen, self._looking, self._lag_known = self._looking.result(), None, True
            if self._snapshot_seen is None:
                await self._close_reader()
            else:
                self._remember(self._snapshot_seen)
        return self._snapshot_seen

    async def _snapshot(self) -> Snapshot:
        if self._reader is None:
            self._reader = await LagReader(self._settings).__aenter__()
        return await self._reader.snapshot(self._settings.topic("quadrille.*"))

    async def _close_reader(self) -> None:
        if self._reader is not None:
            reader, self._reader = self._reader, None
            await reader.__aexit__(None, None, None)

    def _remember(self, snapshot: Snapshot) -> None:
        self._window.add(snapshot)
        groups = self._named(snapshot.groups)
        self.points.append(
            Point(snapshot.at, {n: group.lag for n, group in groups.items()}, {n: group.age for n, group in groups.items()})
        )
        while self.points and self.points[0].at < snapshot.at - KEPT_SECONDS:
            self.points.popleft()

    def _named(self, by_group: Mapping[str, T]) -> dict[str, T]:
        """By the names the contract has for our groups; those of others as they are."""
        return {name.removeprefix(self._settings.topic_prefix): found for name, found in by_group.items()}
