"""A service at work: its consumer, its commits, its relay and its timers in one loop."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from aiokafka.errors import KafkaError
from sqlalchemy.exc import SQLAlchemyError

from shared.contract.envelope import Record
from shared.contract.topics import TOPICS, commands_topic, redrive_topic, topics_of
from shared.runtime import inputs, kafka
from shared.runtime.batch import DatabaseAwayError, Processor
from shared.runtime.inputs import Deliver, Reader, WorkItem
from shared.runtime.kafka.lost import tell
from shared.runtime.kafka.topics import check_topics
from shared.runtime.member import Member, StalledError
from shared.runtime.observability import backlog, health, metrics
from shared.runtime.observability.tracing import tracer
from shared.runtime.pacing import Pacing
from shared.runtime.postgres import inbox, migrations, ownership
from shared.runtime.postgres.database import connect, is_away
from shared.runtime.postgres.store import Loaded, Store
from shared.runtime.reactions import Reactions, TimerFired
from shared.runtime.records import portions
from shared.runtime.relay import Relay
from shared.settings import Settings
from shared.timeouts import run_with_timeout

log = logging.getLogger(__name__)
TICK_SECONDS: Final = 0.25
"""How often timers are looked for whose time has come."""
PACE: Final = 4.0
PACE_SECONDS: Final = 0.2
"""A poll and a commit cost nearly the same whatever they bring, here, at the broker and at the database. So after a commit
of more than one item polls are as far apart as four times the time it took, at most so long: the busier everything is the
fewer and larger they are, and what comes alone is not kept waiting."""
SWEEP_SECONDS: Final = 2.0
"""How often the outbox is searched for rows other members left for our lanes."""
OFFSETS_SECONDS: Final = 1.0
PRUNE_SECONDS: Final = 60.0
DUE_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Definition:
    """What makes a service: its reactions, the stores of its aggregates, and what its reactions ask for by type.

    ``at_once``: work items of one commit at most; more cost as much each, and keep the next service waiting. Few where a
    reaction may load megabytes.
    """

    reactions: Reactions
    stores: Sequence[Store[Any]]
    context: Mapping[type[Any], Any] = field(default_factory=dict)
    at_once: int = 250

    @property
    def topics(self) -> list[str]:
        """The topics its messages come on, and the one its dead letters come back on."""
        redrives = redrive_topic(self.reactions.service)
        return sorted({kind.topic for kind in self.reactions.messages.values()} | ({redrives} & TOPICS.keys()))

    @property
    def anchor(self) -> str | None:
        """The topic whose partitions say who owns which lane: the service's commands."""
        commands = commands_topic(self.reactions.service)
        return commands if commands in self.topics else None


class Service:
    """Runs a definition until it is told to stop.

    ``submit`` hands in an answer from outside (of the payment gateway, say); ``on_commit`` is called with the
    aggregates every commit changed; ``on_lanes`` with the lanes newly owned. ``early``: workers that begin before the
    database is there. ``troubles``: what stands in the way of its workers, by worker; it is ready only without any.
    """

    def __init__(self, definition: Definition, settings: Settings) -> None:
        self.name = definition.reactions.service
        self.settings, self.definition = settings, definition
        self.engine = connect(settings.database_url(self.name))
        self.owner = f"{socket.gethostname()}/{os.getpid()}/{id(self):x}"
        self.tracer = tracer(self.name, settings)
        self.processor = Processor(
            self.name, self.engine, definition.stores, self.lane_of, definition.context, settings.topic, self.tracer
        )
        self.processor.meter.begin(definition.reactions)
        self.relay = Relay(self.name, settings, self.engine, lambda: self.lanes)
        self.on_commit: Callable[[Sequence[Loaded[Any]]], None] = lambda changed: None
        self.on_lanes: Callable[[set[int]], None] = lambda lanes: None
        self.early: list[Callable[[], Any]] = []
        self.troubles: dict[str, str] = {}
        self._reader = Reader(definition.reactions)
        self._busy = asyncio.Lock()
        self._pacing = Pacing(self.name)
        self._submitted: list[Deliver] = []
        self._visits: dict[int, int] = {}
        self._member: Member | None = None
        self._turns = health.Turns()
        self._batch_seconds = metrics.batch_seconds.labels(self.name)
        self._batch_size = metrics.batch_size.labels(self.name)

    @property
    def lanes(self) -> set[int]:
        """The lanes this process owns now."""
        return set(self._member.epochs) if self._member else set()

    def lane_of(self, key: str) -> int:
        """The lane of a Kafka key."""
        return kafka.lane_of(key, self.settings.partitions)

    def submit(self, trigger: Any, cart_id: str, traceparent: str | None = None) -> None:
        """Hand in an answer from outside; it is handled like a message of that cart. ``traceparent``: of the call."""
        reaction = self.definition.reactions.by_trigger[type(trigger)]
        self._submitted.append(Deliver(self.lane_of(cart_id), reaction, trigger, traceparent=traceparent))
        self._wake()

    def publish_soon(self) -> None:
        """A worker has written to the outbox beside the batches: publish it at the next turn."""
        self._pacing.hurry("sweep")
        self._wake()

    def stop(self) -> None:
        """Finish the batch, publish, commit the offsets, leave the group: :meth:`run` returns within five seconds."""
        self._pacing.stopping.set()
        self.relay.end()
        self._wake()

    def state(self) -> dict[str, object]:
        """What ``/readyz`` says."""
        told = next((f"{who}: {what}" for who, what in self.troubles.items()), None)
        trouble = self._pacing.trouble or self._turns.trouble or self.relay.trouble or told
        return {
            "service": self.name,
            "ready": trouble is None,
            "trouble": trouble,
            "lanes": sorted(self.lanes),
        }

    async def wait_for_database(self, database: ModuleType) -> None:
        """Wait for it. Raises :class:`shared.runtime.postgres.migrations.MigrationsError` where it is at another version."""
        await migrations.wait_for(self.settings.database_url(self.name), self.name, database, self._pacing)

    async def ready(self) -> None:
        """Wait for the broker.

        Raises :class:`shared.runtime.kafka.TopicsError` where a topic is missing or may lose messages.
        """
        attempt = 0
        while not self._pacing.stopping.is_set():
            try:
                await check_topics(self.settings, topics_of(self.name, self.definition.topics))
                return
            except (KafkaError, OSError, TimeoutError) as error:
                await self._pacing.back_off(attempt, f"the broker cannot be reached: {error!r}")
                attempt += 1

    async def run(self) -> None:
        """Work until stopped. Raises as :meth:`ready`."""
        await self.ready()
        relay = asyncio.create_task(self.relay.run())
        try:
            await self._work_with_members()
            with contextlib.suppress(TimeoutError):
                await run_with_timeout(2, self.relay.flushed())
        finally:
            relay.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await relay
            await self.engine.dispose()
            await asyncio.to_thread(self.tracer.close)

    async def _work_with_members(self) -> None:
        attempt = 0
        while not self._pacing.stopping.is_set():
            started = time.monotonic()
            try:
                topics, anchor = self.definition.topics, self.definition.anchor
                async with Member(self.name, self.settings, topics, self._busy, anchor=anchor) as member:
                    self._member = member
                    await self._work(member)
            except (KafkaError, OSError, TimeoutError, StalledError, ownership.FencedError) as error:
                attempt = 0 if time.monotonic() - started > 60 else attempt + 1
                await self._pacing.back_off(attempt, f"joining the group anew: {error!r}")
            finally:
                self._member = None

    async def _work(self, member: Member) -> None:
        pending: list[Record] = []
        attempt = 0
        while not self._pacing.stopping.is_set():
            self._turns.turn()
            try:
                await self._take_lanes(member)
                self._pacing.trouble = None
                if not pending:
                    pending = await self._arrived(member)
                await self._turn(member, pending)
                pending, attempt = [], 0
            except (DatabaseAwayError, SQLAlchemyError, OSError, TimeoutError) as error:
                if isinstance(error, SQLAlchemyError) and not is_away(error):
                    raise
                await member.commit_offsets()
                member.disown()  # what became of the commit shows when the lanes are taken anew
                await self._pacing.back_off(attempt, f"the database is away: {error}")
                attempt += 1
            if self._pacing.is_time("offsets", OFFSETS_SECONDS):
                await member.commit_offsets()

    async def _take_lanes(self, member: Member) -> None:
        """Own what Kafka assigned: raise the epochs, and publish what the former owner left, before anything else.

        The former owner may be ourselves, with a commit whose answer was lost: raising the epoch waits for its end.
        """
        if not (await member.lanes() - member.epochs.keys() or member.shared - member.guest_of):
            return
        async with self._busy:
            new = member.assigned - member.epochs.keys()  # a rebalance may have begun meanwhile
            visited = member.shared - member.guest_of
            if not new | visited:
                return
            epochs: dict[int, int] = {}
            if new:
                async with self.engine.begin() as connection:
                    epochs = await ownership.take(connection, new, self.owner)
                await self.relay.sweep(new)
            await member.rewind(new | visited, known={lane for lane, epoch in epochs.items() if epoch > 1})
            # As records are read anew, answers are asked for anew, by whoever asked for those handed in before.
            self._submitted = [answer for answer in self._submitted if answer.lane not in new]
            member.epochs.update(epochs)
            member.guest_of.update(visited)
        metrics.lanes.labels(self.name).set(len(member.epochs))
        metrics.guest_lanes.labels(self.name).set(len(member.guest_of))
        log.info("%s owns the lanes %s", self.name, sorted(member.epochs))
        if visited:
            log.warning(
                "%s handles some topics of the lanes %s, which another member owns: topics differ in their number of"
                " partitions, or members in their version (`quadrille topics check`)",
                self.name,
                sorted(visited),
            )
        if new:
            self.on_lanes(new)

    async def _arrived(self, member: Member) -> list[Record]:
        """Wait for something to do, and return the records that came."""
        while not await self.relay.room(TICK_SECONDS):
            self._turns.turn()  # to wait for the broker is no standing still
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_SECONDS):
                await member.ready.wait()
        member.ready.clear()
        return member.take()

    async def _turn(self, member: Member, records: Sequence[Record]) -> None:
        """One commit: the records, the answers handed in, the timers that are due."""
        async with self._busy:
            if lost := list(member.lost):
                self.relay.publish(await tell(self.engine, self.name, lost))
                member.told(lost)
            due = await self._due(member)
            submitted, self._submitted = self._submitted, []
            read = [item for record in records if (item := self._reader.read(record)) is not None]
            mine = [item for item in (*read, *submitted, *due) if item.lane in member.epochs]
            others = [item for item in read if item.lane in member.guest_of]
            try:
                for items, epochs in ((mine, member.epochs), (others, None)):
                    for some in portions(items, self.definition.at_once, inputs.size):
                        if self._pacing.stopping.is_set():
                            return  # the records are read again by the next owner, which drops what is handled
                        await self._commit(some, member, epochs)
            except BaseException:
                self._submitted = submitted + self._submitted
                raise
            member.done([record for record in records if member.handles(record.partition)])
            if self._pacing.is_time("sweep", SWEEP_SECONDS):
                await self.relay.sweep(set(member.epochs))
        if self._pacing.is_time("prune", PRUNE_SECONDS) and await self._prune():
            self._pacing.hurry("prune")  # the next turn goes on

    async def _commit(self, items: Sequence[WorkItem], member: Member, epochs: Mapping[int, int] | None) -> None:
        started = time.perf_counter()
        committed = await self.processor.process(items, epochs)
        took = time.perf_counter() - started
        if committed.visits.items() <= self._visits.items():
            self.relay.publish(committed.rows)
        else:  # there may be events of a guest before ours
            self._visits |= committed.visits
            await self.relay.sweep(set(member.epochs))
        self.on_commit(committed.changed)
        member.pace = min(PACE_SECONDS, PACE * took) if len(items) > 1 else 0.0
        self._batch_seconds.observe(took)
        self._batch_size.observe(len(items))

    async def _due(self, member: Member) -> list[WorkItem]:
        if not member.epochs or not self._pacing.is_time("due", TICK_SECONDS):
            return []
        items: list[WorkItem] = []
        timers = self.definition.reactions.timers
        async with self.engine.begin() as connection:
            for store in self.definition.stores:
                if store.kind in timers:
                    found = await store.due(connection, member.epochs, DUE_AT_ONCE)
                    items += [Deliver(lane, timers[store.kind], TimerFired(i)) for i, lane in found]
        return items

    async def _prune(self) -> bool:
        async with self.engine.begin() as connection:
            return await inbox.prune(connection)

    def _wake(self) -> None:
        if self._member:
            self._member.ready.set()


async def serve(service: Service, database: ModuleType, *workers: Callable[[], Any]) -> None:
    """Run a service and its workers until SIGTERM or SIGINT, with probes and metrics over HTTP from the beginning.

    Workers begin once the database is there and at the version of ``database``, the module of its migrations; one that
    needs the topics waits for :meth:`Service.ready`. They work as long as the service: where one ends, the service stops,
    and what the worker raised is raised. Raises :class:`shared.runtime.postgres.migrations.MigrationsError`.
    """
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, service.stop)
    settings = service.settings
    runner, port = await health.serve(settings.health_host, settings.health_port, service.state)
    log.info("%s: probes and metrics on http://%s:%d", service.name, settings.health_host, port)
    try:
        async with _working(service, service.early):
            await service.wait_for_database(database)
            async with _working(service, [*workers, lambda: backlog.watch(service.name, service.engine, service.troubles)]):
                await service.run()
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def _working(service: Service, workers: Sequence[Callable[[], Any]]) -> AsyncIterator[None]:
    """Workers at work. Raises at the end what one raised."""
    tasks = [asyncio.create_task(worker()) for worker in workers]
    for task in tasks:
        task.add_done_callback(lambda _: service.stop())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome
