"""A service at work: its consumer, its commits, its relay and its timers in one loop."""

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

from aiokafka.errors import KafkaError

from shared.contract.envelope import Record
from shared.contract.topics import topics_of
from shared.runtime import inputs, kafka
from shared.runtime.batch import Processor
from shared.runtime.database import ConflictError, DatabaseAwayError, FencedError, Loaded
from shared.runtime.definition import Definition
from shared.runtime.inputs import Deliver, Reader, WorkItem
from shared.runtime.kafka.consumer import PartitionConsumer, StalledError
from shared.runtime.kafka.lost import report_lost
from shared.runtime.kafka.topics import check_topics
from shared.runtime.observability import health, metrics
from shared.runtime.observability.tracing import tracer
from shared.runtime.postgres import migrations
from shared.runtime.postgres.database import connect
from shared.runtime.postgres.port import PostgresDatabase
from shared.runtime.reactions import TimerFired
from shared.runtime.records import portions
from shared.runtime.relay import Relay
from shared.runtime.schedule import Schedule
from shared.settings import Settings
from shared.timeouts import run_with_timeout

log = logging.getLogger(__name__)
TICK_SECONDS: Final = 0.25
"""How often timers are looked for whose time has come."""
PENDING_SECONDS: Final = 2.0
"""How often the outbox is searched for rows that other members left for our partitions."""
OFFSETS_SECONDS: Final = 1.0
PRUNE_SECONDS: Final = 60.0
MAX_TIMERS: Final = 500


class Service:
    """Runs a definition until it is told to stop.

    ``enqueue_result`` takes a result from outside (of the payment gateway, say); ``on_commit`` is called with the aggregates
    that each commit changed; ``on_assigned`` with the partitions newly owned. ``early``: workers that begin before the database
    is there. ``health_problems``: why workers cannot work, by worker; the service is ready only without any.
    """

    def __init__(self, definition: Definition, settings: Settings) -> None:
        self.name = definition.reactions.service
        self.settings, self.definition = settings, definition
        self.engine = connect(settings.database_url(self.name))
        self.owner = f"{socket.gethostname()}/{os.getpid()}/{id(self):x}"
        self.tracer = tracer(self.name, settings)
        self.database = PostgresDatabase(settings.database_url(self.name))
        self.processor = Processor(definition.wiring(settings, self.tracer), self.database)
        self.processor.meter.begin(definition.reactions)
        self.relay = Relay(self.name, settings, self.database, lambda: self.partitions)
        self.on_commit: Callable[[Sequence[Loaded[Any]]], None] = lambda changed: None
        self.on_assigned: Callable[[set[int]], None] = lambda partitions: None
        self.early: list[Callable[[], Any]] = []
        self.health_problems: dict[str, str] = {}
        self._reader = Reader(definition.reactions)
        self._busy = asyncio.Lock()
        self._schedule = Schedule(self.name)
        self._results: list[Deliver] = []
        self._visits: dict[int, int] = {}
        self._consumer: PartitionConsumer | None = None
        self._heartbeat = health.Heartbeat()
        self._batch_seconds = metrics.batch_seconds.labels(self.name)
        self._batch_size = metrics.batch_size.labels(self.name)

    @property
    def partitions(self) -> set[int]:
        """The partitions this process owns now."""
        return set(self._consumer.epochs) if self._consumer else set()

    def partition_of(self, key: str) -> int:
        """The partition of a Kafka key."""
        return kafka.partition_of(key, self.settings.partitions)

    def enqueue_result(self, trigger: Any, cart_id: str, traceparent: str | None = None) -> None:
        """Enqueue a result from outside; it is handled like a message of that cart. ``traceparent``: of the call."""
        reaction = self.definition.reactions.by_trigger[type(trigger)]
        self._results.append(Deliver(self.partition_of(cart_id), reaction, trigger, traceparent=traceparent))
        self._wake()

    def wake_relay(self) -> None:
        """Publish in the next round what was written to the outbox beside the batches."""
        self._schedule.run_now("pending")
        self._wake()

    def stop(self) -> None:
        """Finish the batch, publish, commit the offsets, leave the group: :meth:`run` returns within five seconds."""
        self._schedule.stopping.set()
        self.relay.stop_backpressure()
        self._wake()

    def state(self) -> dict[str, object]:
        """What ``/readyz`` says."""
        problem = next((f"{who}: {what}" for who, what in self.health_problems.items()), None)
        trouble = self._schedule.trouble or self._heartbeat.trouble or self.relay.trouble or problem
        return {
            "service": self.name,
            "ready": trouble is None,
            "trouble": trouble,
            "partitions": sorted(self.partitions),
        }

    async def wait_for_database(self, database: ModuleType) -> None:
        """Wait for it. Raises :class:`shared.runtime.postgres.migrations.MigrationsError` where it is at another version."""
        await migrations.wait_for(self.settings.database_url(self.name), self.name, database, self._schedule)

    async def ready(self) -> None:
        """Wait for the broker.

        Raises :class:`shared.runtime.kafka.TopicsError` where a topic is missing or may lose messages.
        """
        attempt = 0
        while not self._schedule.stopping.is_set():
            try:
                await check_topics(self.settings, topics_of(self.name, self.definition.topics))
                return
            except (KafkaError, OSError, TimeoutError) as error:
                await self._schedule.back_off(attempt, f"the broker cannot be reached: {error!r}")
                attempt += 1

    async def run(self) -> None:
        """Work until stopped. Raises as :meth:`ready`, and what the relay died of."""
        await self.ready()
        beside = [asyncio.create_task(work) for work in (self.relay.run(), self.database.listen(self.wake_relay))]
        for task in beside:
            task.add_done_callback(lambda _: self.stop())
        try:
            await self._work_with_consumers()
            with contextlib.suppress(TimeoutError):
                await run_with_timeout(2, self.relay.drained())
        finally:
            for task in beside:
                task.cancel()
            ended = await asyncio.gather(*beside, return_exceptions=True)
            await self.engine.dispose()
            await self.database.close()
            await asyncio.to_thread(self.tracer.close)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    async def _work_with_consumers(self) -> None:
        attempt = 0
        while not self._schedule.stopping.is_set():
            started = time.monotonic()
            try:
                topics, anchor = self.definition.topics, self.definition.anchor
                async with PartitionConsumer(self.name, self.settings, topics, self._busy, anchor=anchor) as consumer:
                    self._consumer = consumer
                    await self._work(consumer)
            except (KafkaError, OSError, TimeoutError, StalledError, FencedError) as error:
                attempt = 0 if time.monotonic() - started > 60 else attempt + 1
                await self._schedule.back_off(attempt, f"joining the group anew: {error!r}")
            finally:
                self._consumer = None

    async def _work(self, consumer: PartitionConsumer) -> None:
        pending: list[Record] = []
        attempt = 0
        while not self._schedule.stopping.is_set():
            self._heartbeat.beat()
            try:
                await self._take_partitions(consumer)
                self._schedule.trouble = None
                if not pending:
                    pending = await self._arrived(consumer)
                await self._round(consumer, pending)
                pending, attempt = [], 0
            except (DatabaseAwayError, ConflictError) as error:
                await consumer.commit_offsets()
                consumer.disown()  # what became of the commit shows when the partitions are taken anew
                await self._schedule.back_off(attempt, f"the database is away: {error}")
                attempt += 1
            if self._schedule.due("offsets", OFFSETS_SECONDS):
                await consumer.commit_offsets()

    async def _take_partitions(self, consumer: PartitionConsumer) -> None:
        """Own what Kafka assigned: raise the epochs, and publish what the former owner left, before anything else.

        The former owner may be ourselves, with a commit whose answer was lost: raising the epoch waits for its end.
        """
        if not (await consumer.partitions() - consumer.epochs.keys() or consumer.shared - consumer.guest_of):
            return
        async with self._busy:
            new = consumer.assigned - consumer.epochs.keys()  # a rebalance may have begun meanwhile
            visited = consumer.shared - consumer.guest_of
            if not new | visited:
                return
            epochs: dict[int, int] = {}
            if new:
                epochs = await self.database.take(new, self.owner)
                self.processor.cache.clear()
                await self.relay.publish_pending(new)
            await consumer.seek_to_committed(new | visited, known={p for p, epoch in epochs.items() if epoch > 1})
            # As records are read anew, results are asked for anew, by whoever asked for those enqueued before.
            self._results = [result for result in self._results if result.partition not in new]
            consumer.epochs.update(epochs)
            consumer.guest_of.update(visited)
        metrics.partitions.labels(self.name).set(len(consumer.epochs))
        metrics.guest_partitions.labels(self.name).set(len(consumer.guest_of))
        log.info("%s owns the partitions %s", self.name, sorted(consumer.epochs))
        if visited:
            log.warning(
                "%s handles some topics of the partitions %s, which another member owns: topics differ in size, or"
                " members in their version (`quadrille topics check`)",
                self.name,
                sorted(visited),
            )
        if new:
            self.on_assigned(new)

    async def _arrived(self, consumer: PartitionConsumer) -> list[Record]:
        """Wait for something to do, and return the records that came."""
        while not await self.relay.wait_for_capacity(TICK_SECONDS):
            self._heartbeat.beat()  # waiting for the broker is no stall
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TICK_SECONDS):
                await consumer.ready.wait()
        consumer.ready.clear()
        return consumer.drain()

    async def _round(self, consumer: PartitionConsumer, records: Sequence[Record]) -> None:
        """One round of commits: the records, the enqueued results, the timers that are due."""
        async with self._busy:
            if lost := list(consumer.lost):
                self.relay.publish(await report_lost(self.database, self.name, lost))
                consumer.mark_reported(lost)
            due = await self._due(consumer)
            results, self._results = self._results, []
            read = [item for record in records if (item := self._reader.read(record)) is not None]
            mine = [item for item in (*read, *results, *due) if item.partition in consumer.epochs]
            others = [item for item in read if item.partition in consumer.guest_of]
            try:
                for items, epochs in ((mine, consumer.epochs), (others, None)):
                    for some in portions(items, self.definition.max_batch_size, inputs.size):
                        if self._schedule.stopping.is_set():
                            return  # the records are read again by the next owner, which drops what is handled
                        await self._commit(some, consumer, epochs)
            except BaseException:
                self._results = results + self._results
                raise
            consumer.mark_processed([record for record in records if consumer.handles(record.partition)])
            if self._schedule.due("pending", PENDING_SECONDS):
                await self.relay.publish_pending(set(consumer.epochs))
        if self._schedule.due("prune", PRUNE_SECONDS) and await self.database.prune():
            self._schedule.run_now("prune")  # the next round goes on

    async def _commit(self, items: Sequence[WorkItem], consumer: PartitionConsumer, epochs: Mapping[int, int] | None) -> None:
        started = time.perf_counter()
        committed = await self.processor.process(items, epochs)
        took = time.perf_counter() - started
        if committed.visits.items() <= self._visits.items():
            self.relay.publish(committed.rows)
        else:  # there may be events of a guest before ours
            self._visits |= committed.visits
            await self.relay.publish_pending(set(consumer.epochs))
        self.on_commit(committed.changed)
        self._batch_seconds.observe(took)
        self._batch_size.observe(len(items))

    async def _due(self, consumer: PartitionConsumer) -> list[WorkItem]:
        if not consumer.epochs or not self._schedule.due("due", TICK_SECONDS):
            return []
        timers = self.definition.reactions.timers
        timed = [store for store in self.definition.stores if store.kind in timers]
        found = await self.database.due(timed, consumer.epochs, MAX_TIMERS) if timed else []
        return [Deliver(partition, timers[store.kind], TimerFired(i)) for store, i, partition in found]

    def _wake(self) -> None:
        if self._consumer:
            self._consumer.ready.set()
