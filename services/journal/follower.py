"""Follows every topic of the contract: what arrives is kept, then its offsets are committed.

It is nobody's bottleneck: a group and a database of its own, large lazy fetches instead of many small ones, bounded buffers,
and a lower claim on the processor. Where it falls behind it catches up, and says by how much it is behind.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from aiokafka.errors import KafkaError

from services.journal import migrations
from services.journal.entries import entry
from services.journal.keeper import Keeper, cutoff
from shared.contract.envelope import Record
from shared.contract.topics import TOPICS
from shared.runtime import kafka
from shared.runtime.kafka.topics import check_topics
from shared.runtime.member import Member, StalledError
from shared.runtime.observability import health, metrics
from shared.runtime.observability.repeats import REPEATED
from shared.runtime.pacing import Pacing
from shared.runtime.postgres import migrations as runtime_migrations
from shared.runtime.postgres.database import is_away, is_conflict
from shared.settings import Settings
from shared.timeouts import happens, within

log = logging.getLogger(__name__)
NAME: Final = "journal"
BATCH: Final = 2_000
FETCH: Final[dict[str, Any]] = {"max_partition_fetch_bytes": 262_144, "fetch_min_bytes": 262_144, "fetch_max_wait_ms": 500}
"""The broker gathers for a while, so that a batch is worth a commit; at most so much of a partition is held in memory."""
OFFSETS_SECONDS: Final = 1.0
READING_SECONDS: Final = 2.0
TELL_SECONDS: Final = 10.0
PRUNE_SECONDS: Final = 60.0
PRUNE_PAUSE_SECONDS: Final = 0.5


class Follower:
    """Keeps the journal until told to stop."""

    def __init__(self, settings: Settings, keeper: Keeper) -> None:
        self._settings, self._keeper = settings, keeper
        self._busy = asyncio.Lock()
        self._pacing = Pacing("journal")
        self._member: Member | None = None
        self._turns = health.Turns()
        self._behind = 0

    def stop(self) -> None:
        """Finish the batch, commit the offsets, leave the group."""
        self._pacing.stopping.set()
        if self._member:
            self._member.ready.set()

    def state(self) -> dict[str, object]:
        """What ``/readyz`` says; ``behind``: records that wait to be read."""
        lanes = sorted(self._member.epochs) if self._member else []
        trouble = self._pacing.trouble or self._turns.trouble
        return {"service": NAME, "ready": not trouble, "trouble": trouble, "lanes": lanes, "behind": self._behind}

    async def wait_for_database(self) -> None:
        """Wait for it. Raises :class:`shared.runtime.postgres.migrations.MigrationsError` where it is at another version."""
        await runtime_migrations.wait_for(self._settings.database_url(NAME), NAME, migrations, self._pacing)

    async def run(self) -> None:
        """Follow until stopped. Raises :class:`shared.runtime.kafka.TopicsError` where the topics are not there."""
        attempt, checked = 0, False
        while not self._pacing.stopping.is_set():
            started = time.monotonic()
            try:
                if not checked:
                    await check_topics(self._settings)
                    checked = True
                async with Member(NAME, self._settings, list(TOPICS), self._busy, BATCH, **FETCH) as member:
                    self._member = member
                    await self._follow(member)
            except (KafkaError, OSError, TimeoutError, StalledError) as error:
                attempt = 0 if time.monotonic() - started > 60 else attempt + 1
                await self._pacing.back_off(attempt, f"the broker cannot be read: {error!r}")
            finally:
                self._member = None

    async def _follow(self, member: Member) -> None:
        pending: list[Record] = []
        attempt = 0
        while not self._pacing.stopping.is_set():
            self._turns.turn()
            try:
                await self._own(member)
                await self._tell_lost(member)
                if self._pacing.trouble:
                    await self._keeper.answers()
                    self._pacing.trouble = None
                pending = pending or await self._arrived(member)
                await self._keep(member, pending)
                pending, attempt = [], 0
                await self._note(member)
            except Exception as error:
                if not (is_away(error) or is_conflict(error)):
                    raise
                await self._pacing.back_off(attempt, f"the database is away: {error!r}")
                attempt += 1
            if self._pacing.is_time("offsets", OFFSETS_SECONDS):
                await member.commit_offsets()

    async def _own(self, member: Member) -> None:
        """What is assigned is ours. It needs no epoch: whoever keeps a record, and however often, keeps the same entry."""
        lanes = await member.lanes()
        if lanes != member.epochs.keys():
            await member.rewind(lanes - member.epochs.keys(), known=await self._keeper.read_before())
            member.epochs = dict.fromkeys(lanes, 0)
            metrics.lanes.labels(NAME).set(len(lanes))
            log.info("the journal follows the lanes %s", sorted(lanes))

    async def _tell_lost(self, member: Member) -> None:
        """What was never read is a dead letter, which alerts hears of: the journal publishes nothing else."""
        if not (lost := list(member.lost)):
            return
        try:
            producer = await kafka.producer(self._settings, NAME)
            try:
                for one in lost:
                    letter = one.dead_letter(NAME, datetime.now(UTC))
                    topic, headers = self._settings.topic(letter.topic), list(letter.headers)
                    sending = producer.send_and_wait(topic, letter.value, letter.key, partition=letter.lane, headers=headers)
                    await within(TELL_SECONDS, sending)
            finally:
                await kafka.stop(producer)
        except (OSError, TimeoutError) as error:
            raise StalledError(f"nobody can be told of records that were never read: {error!r}") from error
        member.told(lost)

    async def _arrived(self, member: Member) -> list[Record]:
        await happens(member.ready, OFFSETS_SECONDS)
        member.ready.clear()
        return member.take()

    async def _keep(self, member: Member, records: Sequence[Record]) -> None:
        if not records:
            return
        started = time.perf_counter()
        async with self._busy:
            now = datetime.now(UTC)
            await self._keeper.keep([entry(record, now) for record in records])
            member.done(records)
        metrics.batch_seconds.labels(NAME).observe(time.perf_counter() - started)
        metrics.batch_size.labels(NAME).observe(len(records))

    async def _note(self, member: Member) -> None:
        """Say how far it has read, unless a rebalance is under way."""
        if not self._pacing.is_time("reading", READING_SECONDS):
            return
        try:
            behind = await within(READING_SECONDS, member.behind())
        except (KafkaError, TimeoutError):
            return
        self._behind = sum(behind.values())
        await self._keeper.note_reading(behind)

    async def prune(self) -> None:
        """Forget what is older than the settings say, a little at a time, until cancelled."""
        while True:
            pruned = 0
            try:
                pruned = await self._keeper.prune(cutoff(datetime.now(UTC), self._settings.journal_days))
            except Exception as error:
                log.warning("the journal cannot be pruned now: %r", error, extra=REPEATED)
            await asyncio.sleep(PRUNE_PAUSE_SECONDS if pruned else PRUNE_SECONDS)
