"""Polls throughput, consumer lag, pending steps and open alerts, and keeps the lag of the last half hour.

It polls often while somebody has a page open, and rarely otherwise.
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
from services.journal.queries import JournalLag
from shared.lag.judgement import Status
from shared.lag.model import NEVER, Group, Snapshot
from shared.lag.reader import LagReader
from shared.lag.window import Window
from shared.progress import limits
from shared.runtime.observability.repeats import REPEATED
from shared.settings import Settings
from shared.timeouts import wait_for_event

log = logging.getLogger(__name__)
T = TypeVar("T")
POLL_SECONDS: Final = 2.0
IDLE_SECONDS: Final = 10.0
"""The intervals of polls while somebody watches, and while nobody does."""
RATE_SECONDS: Final = 10.0
"""The period over which rates are measured."""
KEPT_SECONDS: Final = 1_800.0
"""How long the lag is kept."""
WINDOW_POLLS: Final = 5
WATCHERS: Final = 100
NO_JOURNAL: Final = "The journal database cannot be reached; this page may be incomplete"
NO_ALERTS: Final = "The alerts database cannot be reached; open alerts cannot be counted"
NO_KAFKA: Final = "Kafka cannot be reached; lag is unknown, and actions cannot be sent"
UNREACHABLE: Final = (KafkaError, SQLAlchemyError, PostgresError, InterfaceError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Point:
    """The lag of the groups at one time. ``lag``: unread records; ``age``: seconds that the oldest has waited."""

    at: float
    lag: Mapping[str, int]
    age: Mapping[str, float]


@dataclass(frozen=True)
class SystemSnapshot:
    """The result of a poll. What could not be reached is empty, and listed in ``problems``.

    ``emitted``: messages per second by writer and type; ``answers``: events per second caused by answers of the gateway.
    ``groups`` and ``statuses``: by the group's name without the shop's prefix.
    """

    at: float
    emitted: Mapping[tuple[str, str], float] = field(default_factory=dict)
    answers: float = 0.0
    waiting: Sequence[Queue] = ()
    journal_lag: JournalLag | None = None
    groups: Mapping[str, Group] = field(default_factory=dict)
    statuses: Mapping[str, Status | None] = field(default_factory=dict)
    open_alerts: views.Open | None = None
    problems: tuple[str, ...] = ()

    def lag_of(self, edge: Edge, topic: str) -> tuple[int, float] | None:
        """The unread records of an edge, and the age of the oldest in seconds. ``topic``: its name with the shop's prefix."""
        group = self.groups.get(edge.group)
        if group is None:
            return None
        found = [p for (name, _), p in group.positions.items() if name == topic and p.lag != NEVER]
        return sum(p.lag for p in found), max((p.age or 0.0 for p in found), default=0.0)


class Watcher:
    """Polls until stopped. ``last``: the last snapshot; ``points``: the lag of the last :data:`KEPT_SECONDS`."""

    def __init__(self, settings: Settings, journal: Any, alerts: AsyncEngine) -> None:
        self._settings, self._journal, self._alerts = settings, journal, alerts
        self._limits = limits(settings)
        self._window = Window(WINDOW_POLLS)
        self._reader: LagReader | None = None
        self._polling: asyncio.Task[Snapshot | None] | None = None
        self._snapshot_seen: Snapshot | None = None
        self._lag_known = False
        self._news = asyncio.Condition()
        self._wanted = asyncio.Event()
        self._watchers = 0
        self._stopped = False
        self.last = SystemSnapshot(time.time(), problems=("No data yet",))
        self.points: deque[Point] = deque()

    @property
    def crowded(self) -> bool:
        """Whether no more pages may watch."""
        return self._watchers >= WATCHERS

    async def snapshots(self) -> AsyncGenerator[SystemSnapshot]:
        """Yield every snapshot until the watcher stops."""
        self._watchers += 1
        self._wanted.set()
        try:
            yield self.last
            while not self._stopped:
                seen = self.last
                async with self._news:
                    await self._news.wait_for(partial(self._is_new, seen))
                yield self.last
        finally:
            self._watchers -= 1

    def _is_new(self, seen: SystemSnapshot) -> bool:
        return self._stopped or self.last is not seen

    async def stop(self) -> None:
        """End all streams of snapshots."""
        self._stopped = True
        async with self._news:
            self._news.notify_all()

    async def run(self) -> None:
        """Poll until stopped."""
        try:
            while not self._stopped:
                due = time.monotonic() + POLL_SECONDS
                await self.poll()
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if not self._watchers:
                    self._wanted.clear()
                    await wait_for_event(self._wanted, IDLE_SECONDS - POLL_SECONDS)
        finally:
            if self._polling:
                self._polling.cancel()
                await asyncio.gather(self._polling, return_exceptions=True)
            await self._close_reader()

    async def poll(self) -> None:
        """Poll everything once."""
        problems: dict[str, None] = {}

        async def attempt(problem: str, read: Callable[[], Awaitable[T]]) -> T | None:
            try:
                return await read()
            except UNREACHABLE as error:
                log.warning("%s: %r", problem, error, extra=REPEATED)
                problems[problem] = None
                return None

        self._polling = self._polling or asyncio.create_task(attempt(NO_KAFKA, self._snapshot))
        throughput = await attempt(NO_JOURNAL, lambda: overview.throughput(self._journal, RATE_SECONDS))
        waiting = await attempt(NO_JOURNAL, lambda: overview.waiting(self._journal, self._limits))
        journal_lag = await attempt(NO_JOURNAL, lambda: queries.lag(self._journal))
        open_alerts = await attempt(NO_ALERTS, lambda: views.count_open(self._alerts))
        snapshot = await self._lag()
        if snapshot is None:
            problems[NO_KAFKA] = None
        self.last = SystemSnapshot(
            time.time(),
            {name: count / RATE_SECONDS for name, count in throughput.emitted.items()} if throughput else {},
            throughput.answers / RATE_SECONDS if throughput else 0.0,
            waiting or (),
            journal_lag,
            self._named(snapshot.groups) if snapshot else {},
            self._named(self._window.statuses()) if snapshot else {},
            open_alerts,
            tuple(problems),
        )
        async with self._news:
            self._news.notify_all()

    async def _lag(self) -> Snapshot | None:
        """The last known lag. A broker that does not answer must not delay the rest of the poll."""
        assert self._polling is not None
        done, _ = await asyncio.wait({self._polling}, timeout=POLL_SECONDS if self._lag_known else None)
        if done:
            self._snapshot_seen, self._polling, self._lag_known = self._polling.result(), None, True
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
        """Remove the shop's prefix from the names of its groups."""
        return {name.removeprefix(self._settings.topic_prefix): found for name, found in by_group.items()}
