"""One member of a service's consumer group: what it was assigned, what arrived, how far it got."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from shared.contract.envelope import Record
from shared.runtime import kafka
from shared.runtime.kafka.lost import LostRecords
from shared.runtime.kafka.patches import fetching
from shared.runtime.observability.repeats import Outage
from shared.runtime.records import IN_HAND_BYTES, size
from shared.settings import Settings
from shared.timeouts import run_with_timeout, wait_for_event

log = logging.getLogger(__name__)
POLL_RECORDS: Final = 1_000
PARTITION_RECORDS: Final = 100
"""Records of one partition before it is the next one's turn; unpacked before their bytes are counted."""
PARTITION_BYTES: Final = 1_048_576
"""Bytes of one partition in an answer of the broker. It sends a larger record all the same, where that is the first."""
WATCH_SECONDS: Final = 10.0
OFFSETS_SECONDS: Final = 3.0
"""The longest a commit of offsets may take."""
FAILING_SECONDS: Final = 30.0
"""A consumer that could not commit for so long is replaced."""


class StalledError(Exception):
    """Records wait in Kafka and the consumer delivers none (seen after broker restarts): a new one is needed."""


class PartitionConsumer(ConsumerRebalanceListener):
    """A consumer with its assignment. ``busy`` is held by whoever commits a batch; a rebalance waits for it.

    ``records`` is the most that :meth:`drain` returns, fewer where they are large; ``anchor``: the topic that decides
    which partitions this member owns, by default each of its topics; ``consumer``: settings of aiokafka's consumer in place
    of ours.
    """

    def __init__(
        self,
        service: str,
        settings: Settings,
        topics: Sequence[str],
        busy: asyncio.Lock,
        records: int = POLL_RECORDS,
        anchor: str | None = None,
        **consumer: Any,
    ) -> None:
        self._settings, self._busy = settings, busy
        self._topics = [settings.topic(topic) for topic in topics]
        self._records = records
        self._anchor = settings.topic(anchor) if anchor else None
        chosen: dict[str, Any] = {
            "session_timeout_ms": 10_000,
            "heartbeat_interval_ms": 2_000,
            "max_poll_interval_ms": 300_000,
            "max_partition_fetch_bytes": PARTITION_BYTES,
            "fetch_max_bytes": IN_HAND_BYTES,
            "auto_offset_reset": "none",  # where records are lost, somebody has to hear of it
            **consumer,
        }
        self._group = settings.topic(f"quadrille.{service}")
        self._consumer = kafka.new_consumer(settings, f"quadrille.{service}", service, **chosen)
        self._arrived: list[Record] = []
        self._bytes = 0
        self._taken = asyncio.Event()
        self._taken.set()
        self._settled = asyncio.Event()
        self._positions: dict[Any, int] = {}
        self._failure: BaseException | None = None
        self._fetcher: asyncio.Task[None] | None = None
        self._last_arrival = time.monotonic()
        self._failing_since: float | None = None
        self._outage = Outage(log, service)
        self.ready = asyncio.Event()
        """Set when there may be something to do."""
        self.epochs: dict[int, int] = {}
        """The partitions this member owns, with their epochs; emptied when they are revoked."""
        self.guest_of: set[int] = set()
        """The partitions of which it handles some topic while another member owns them; emptied likewise."""
        self.lost: list[LostRecords] = []
        """What was deleted before it was read; whoever commits for this member reports it first: see :meth:`mark_reported`."""

    async def __aenter__(self) -> Self:
        self._consumer.subscribe(self._topics, listener=self)
        await kafka.start(self._consumer)
        self._fetcher = asyncio.create_task(self._fetch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fetcher:
            self._fetcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetcher
        await self.commit_offsets()
        await kafka.stop(self._consumer, 2)

    async def on_partitions_revoked(self, revoked: set[Any]) -> None:
        """Finish the commit under way, note how far we got, own nothing, and have nothing in hand.

        What was not taken is read again by whoever comes next. To keep it would be to poll no more where there is much of
        it, and a consumer that is not polled does not join its group anew.
        """
        self._settled.clear()
        async with self._busy:
            await self.commit_offsets()
            self.disown()
            self._positions.clear()
            self._drain()

    async def on_partitions_assigned(self, assigned: set[Any]) -> None:
        """The work loop takes ownership of what is new."""
        self._settled.set()
        self.ready.set()

    def disown(self) -> None:
        """Own nothing, and be nobody's guest."""
        self.epochs.clear()
        self.guest_of.clear()

    def handles(self, partition: int) -> bool:
        """Whether the records of a partition that come here are this member's to handle."""
        return partition in self.epochs or partition in self.guest_of

    async def partitions(self) -> set[int]:
        """The partitions Kafka has assigned to this member, once a rebalance is over. Raises what the consumer died of."""
        while not self._settled.is_set():
            self._check()
            await wait_for_event(self._settled, 1)
        return self.assigned

    @property
    def assigned(self) -> set[int]:
        """The partitions Kafka has assigned to this member; none while a rebalance goes on."""
        if not self._settled.is_set():
            return set()
        return {tp.partition for tp in self._consumer.assignment() if self._anchor in (None, tp.topic)}

    @property
    def shared(self) -> set[int]:
        """The partitions of which Kafka has assigned some topic to this member, but not the anchor."""
        if not self._settled.is_set():
            return set()
        return {tp.partition for tp in self._consumer.assignment()} - self.assigned

    def drain(self) -> list[Record]:
        """The records that arrived. Raises what the consumer died of."""
        self._check()
        return self._drain()

    def _drain(self) -> list[Record]:
        records, self._arrived, self._bytes = self._arrived, [], 0
        self._taken.set()
        return records

    async def seek_to_committed(self, partitions: Collection[int], known: Collection[int] = ()) -> None:
        """Read these partitions again from their committed offsets.

        To be called when they are taken: what arrived of them before that was passed over. What is read twice the inbox
        drops. ``known``: those that were read before, whose offsets should be there. Raises ``KafkaError``, and
        :class:`StalledError` where the broker does not answer.
        """
        places = [tp for tp in self._consumer.assignment() if tp.partition in partitions]
        try:
            async with asyncio.timeout(WATCH_SECONDS):
                offsets = dict(zip(places, await asyncio.gather(*map(self._consumer.committed, places)), strict=True))
                firsts = await self._consumer.beginning_offsets(places)
        except (OSError, TimeoutError) as error:
            raise StalledError(f"the committed offsets cannot be read: {error!r}") from error
        remembered = {tp.partition for tp, offset in offsets.items() if offset is not None}
        for tp, offset in offsets.items():
            if offset is None and tp.partition in set(known) - remembered and firsts[tp] > 0:
                self._note_lost(tp, None, firsts[tp])
            elif offset is not None and offset < firsts[tp]:
                self._note_lost(tp, offset, firsts[tp])
            self._consumer.seek(tp, firsts[tp] if offset is None else max(offset, firsts[tp]))
        kept = [record for record in self._drain() if record.partition not in partitions]
        self._arrived, self._bytes = kept, sum(map(size, kept))

    def _note_lost(self, tp: Any, first: int | None, until: int) -> None:
        lost = LostRecords(self._group, tp.topic, tp.partition, first, until)
        log.critical("%s", lost.sentence)
        self.lost.append(lost)
        self.ready.set()

    def mark_reported(self, lost: Sequence[LostRecords]) -> None:
        """These are reported: the group goes on after them."""
        for one in lost:
            self._positions.setdefault(TopicPartition(one.topic, one.partition), one.until)
            self.lost.remove(one)

    def mark_processed(self, records: Sequence[Record]) -> None:
        """These records are in the database: their offsets may be committed."""
        for record in records:
            self._positions[TopicPartition(self._settings.topic(record.topic), record.partition)] = record.offset + 1

    async def lag(self) -> dict[int, int]:
        """By partition, how many records wait in Kafka, as far as the broker's last answers tell."""
        waiting: dict[int, int] = {}
        for tp in self._consumer.assignment():
            end = self._consumer.highwater(tp)
            unread = max(0, end - await self._consumer.position(tp)) if end is not None else 0
            waiting[tp.partition] = waiting.get(tp.partition, 0) + unread
        return waiting

    async def commit_offsets(self) -> None:
        """Tell Kafka how far we got. What fails is tried again with the next; too many failures cost the consumer."""
        owned = {tp: offset for tp, offset in self._positions.items() if self.handles(tp.partition)}
        if not owned:
            return
        try:
            await run_with_timeout(OFFSETS_SECONDS, self._consumer.commit(owned))
        except (KafkaError, OSError, TimeoutError, ValueError) as error:
            self._outage.lasts(f"offsets are not committed yet: {error!r}", again=OFFSETS_SECONDS)
            self._failing_since = self._failing_since or time.monotonic()
            if time.monotonic() - self._failing_since > FAILING_SECONDS:
                self._failure = StalledError(f"no offsets could be committed for {FAILING_SECONDS:g} s: {error!r}")
        else:
            self._outage.ends()
            self._failing_since = None
            for tp, offset in owned.items():
                if self._positions.get(tp) == offset:
                    del self._positions[tp]

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    async def _fetch(self) -> None:
        try:
            while True:
                if not await self._poll(1.0) and time.monotonic() - self._last_arrival > WATCH_SECONDS:
                    await self._watch()
        except asyncio.CancelledError:
            raise
        except (OSError, TimeoutError) as error:  # not to be taken for a database that is away: that would be waited for
            self._failure = StalledError(f"the consumer does not answer: {error!r}")
            self.ready.set()
        except Exception as error:
            self._failure = error
            self.ready.set()

    async def _poll(self, seconds: float) -> bool:
        """A turn for every partition, or, where none has anything, a wait for so long; returns whether any records came.

        Without turns all that is at hand of one partition comes before anything of the next, and an answer of the broker can
        hold tens of thousands of small records: the events of checkouts under way would wait behind as many commands.
        """
        came = [await self._read(0, place) for place in fetching.at_hand(self._consumer)]
        await asyncio.sleep(0)
        return any(came) or await self._read(seconds) > 0

    async def _read(self, seconds: float, *places: Any) -> int:
        """Have what comes within so long, of these partitions or of all; returns how many records came.

        They are added to what waits to be taken: what arrives while a commit is under way makes the next one larger.
        """
        most = min(PARTITION_RECORDS, self._records - len(self._arrived))
        try:
            batch = await self._consumer.getmany(*places, timeout_ms=int(seconds * 1000), max_records=most)
        except NoOffsetForPartitionError as error:
            await self._begin(error.args[0])
            return 0
        except OffsetOutOfRangeError as error:
            for tp, offset in error.args[0].items():
                await self._start_over(tp, offset)
            return 0
        if not batch:
            return 0
        records = self._records_of(batch)
        self._last_arrival = time.monotonic()
        self._arrived += records
        self._bytes += sum(map(size, records))
        self.ready.set()
        if len(self._arrived) >= self._records or self._bytes >= IN_HAND_BYTES:
            self._taken.clear()
            await self._taken.wait()
        return len(records)

    async def _begin(self, place: Any) -> None:
        """Read what has no committed offset from its first record; of what is not taken yet all, as one is hardly alone."""
        async with asyncio.timeout(WATCH_SECONDS):
            places = [tp for tp in self._consumer.assignment() if tp == place or not self.handles(tp.partition)]
            offsets = await asyncio.gather(*map(self._consumer.committed, places))
            new = [tp for tp, offset in zip(places, offsets, strict=True) if offset is None]
            firsts = await self._consumer.beginning_offsets(new)
        for tp in self._consumer.assignment() & firsts.keys():
            self._consumer.seek(tp, firsts[tp])

    async def _start_over(self, tp: Any, offset: int) -> None:
        """Read a partition from its first record: there is none at the offset that was next.

        What was lost of a partition that is not taken yet is told when it is; one that was taken meanwhile is past that offset.
        """
        async with asyncio.timeout(WATCH_SECONDS):
            first = (await self._consumer.beginning_offsets([tp]))[tp]
        if tp in self._consumer.assignment() and await self._position(tp) == offset:
            if self.handles(tp.partition):
                self._note_lost(tp, offset, first)
            self._consumer.seek(tp, first)

    async def _watch(self) -> None:
        """Raises :class:`StalledError` where records wait that the consumer does not deliver."""
        self._last_arrival = time.monotonic()
        assigned = self._consumer.assignment()
        if not self._settled.is_set():
            raise StalledError("the group did not settle")
        if not assigned:
            return
        async with asyncio.timeout(WATCH_SECONDS):
            ends = await self._consumer.end_offsets(assigned)
        for tp, end in ends.items():
            position = await self._position(tp)
            if position < end and not await self._moves(tp, position):
                raise StalledError(f"{tp.topic}/{tp.partition} has {end - position} records that do not arrive")

    async def _moves(self, tp: Any, position: int) -> bool:
        return await self._poll(WATCH_SECONDS) or await self._position(tp) > position

    async def _position(self, tp: Any) -> int:
        """Where the consumer stands. It may not know for ever: a consumer that is not polled does not join its group anew."""
        async with asyncio.timeout(WATCH_SECONDS):
            return int(await self._consumer.position(tp))

    def _records_of(self, batch: Mapping[Any, Sequence[Any]]) -> list[Record]:
        prefix = self._settings.topic_prefix
        return [
            Record(topic, r.partition, r.offset, r.key, r.value, r.headers, r.timestamp)
            for tp, records in batch.items()
            for topic in [tp.topic.removeprefix(prefix)]
            for r in records
        ]
