"""What a running system looks like from minute to minute: latency, memory, CPU, tables and lag."""

import asyncio
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from proofs.bench.cost import Cost
from proofs.bench.steady import Steady
from shared.lag.reader import LagReader
from shared.runtime.postgres.database import connect
from shared.runtime.postgres.inbox import KEPT
from shared.settings import Settings

SERVICES: Final = ("cart", "inventory", "order", "payment")
DEADLINES: Final = {"cart": "carts", "inventory": "reservations", "payment": "payments"}
"""Where deadlines are. Those of payment are also its operations: what it has to do at the gateway, and when."""
LOOP: Final = 500_000
_ROWS: Final = "SELECT n_live_tup FROM pg_stat_user_tables WHERE relname = 'inbox'"
_BYTES: Final = "SELECT pg_total_relation_size('inbox')"
_REMEMBERED: Final = "SELECT count(*) FROM inbox"
_UNSENT: Final = "SELECT count(*) FROM outbox"
_WAITING: Final = "SELECT count(*) FROM {} WHERE due_at IS NOT NULL"
_AGED: Final = text(
    "INSERT INTO inbox (source, id, seen_at) SELECT '/quadrille/bench', CAST(gen_random_uuid() AS text),"
    " now() - CAST(:kept AS interval) + n * make_interval(secs => :seconds) / :count"
    " FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS n"
)
_AT_ONCE: Final = 20_000
"""Rows of one statement, as a statement may not take for ever."""


@dataclass(frozen=True)
class Sample:
    """A minute. Latencies in milliseconds; memory in MB; CPU in milliseconds a customer, by process; ``machine``: what a
    fixed loop took in milliseconds, as other work on a shared machine slows everything.

    ``inbox``: rows, by service, as PostgreSQL's statistics have them, ``inbox_mb`` what they take on its disk.
    ``outbox`` and ``deadlines``: rows that wait, by service. ``lag``: records not yet read, by group, the mean of several
    glances, as it goes up and down with every commit of offsets.
    """

    minute: float
    customers: int
    confirmed: int
    p50: float
    p99: float
    memory: dict[str, float]
    cpu: dict[str, float]
    inbox: dict[str, int]
    inbox_mb: dict[str, float]
    outbox: dict[str, int]
    deadlines: dict[str, int]
    lag: dict[str, int]
    machine: float


class Sampler:
    """Looks at a system whose state is in a folder; ``ports``: of its programs' health and metrics."""

    def __init__(self, settings: Settings, state: Path, ports: dict[str, int], load: Steady) -> None:
        self._settings, self._load = settings, load
        self._cost = Cost(state, ports)
        self._engines = {name: connect(settings.database_url(name)) for name in SERVICES}
        self._started: float | None = None
        self._lags: list[dict[str, int]] = []
        self._cpu = self._cost.cpu_seconds()
        self._begun = load.begun

    async def close(self) -> None:
        """Let the databases go."""
        for engine in self._engines.values():
            await engine.dispose()

    async def inboxes(self) -> dict[str, int]:
        """How many messages each service remembers, counted."""
        return await self._numbers(_REMEMBERED)

    async def age(self, messages: dict[str, int], seconds: float) -> None:
        """Put so many messages into each inbox that are forgotten one by one within the next ``seconds``.

        A service remembers for days. As if it had been busy then as it is now, as much is forgotten as is remembered.
        """
        for name, count in messages.items():
            for first in range(1, count + 1, _AT_ONCE):
                rows = {"first": first, "last": min(first + _AT_ONCE - 1, count)}
                async with self._engines[name].begin() as connection:
                    await connection.execute(_AGED, {**rows, "count": count, "kept": KEPT, "seconds": seconds})

    async def glance(self, reader: LagReader) -> None:
        """See how far each group is behind; the next sample has the mean."""
        groups = (await reader.snapshot(self._settings.topic("quadrille.*"), "*")).groups
        self._lags.append({name: group.lag for name, group in groups.items()})

    async def look(self) -> Sample:
        """What happened since the last look, and how things are; time begins with the first. A glance comes before it."""
        now = time.monotonic()
        self._started = self._started or now
        customers, self._begun = self._load.begun - self._begun, self._load.begun
        latencies = self._load.taken()
        before, self._cpu = self._cpu, self._cost.cpu_seconds()
        lags, self._lags = self._lags, []
        return Sample(
            minute=(now - self._started) / 60,
            customers=customers,
            confirmed=len(latencies),
            p50=1000 * statistics.median(latencies) if latencies else 0.0,
            p99=1000 * latencies[int(0.99 * len(latencies))] if latencies else 0.0,
            memory=self._cost.memory_mb(),
            cpu={name: 1000 * (now - before[name]) / max(1, customers) for name, now in self._cpu.items()},
            inbox=await self._numbers(_ROWS),
            inbox_mb={name: size / 1e6 for name, size in (await self._numbers(_BYTES)).items()},
            outbox=await self._numbers(_UNSENT),
            deadlines={name: await _number(self._engines[name], _WAITING.format(table)) for name, table in DEADLINES.items()},
            lag={name: round(statistics.mean(lag.get(name, 0) for lag in lags)) for name in lags[-1]},
            machine=await asyncio.to_thread(_loop),
        )

    async def _numbers(self, query: str) -> dict[str, int]:
        return {name: await _number(engine, query) for name, engine in self._engines.items()}


async def _number(engine: AsyncEngine, query: str) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text(query))).scalar() or 0)


def _loop() -> float:
    started = time.perf_counter()
    for n in range(LOOP):
        n * n
    return 1000 * (time.perf_counter() - started)
