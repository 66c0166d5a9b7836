"""A batch of reactions as one commit: state, inbox and outbox together, or nothing.

Most batches are alone with what they change, and are written with one statement, which raises where they are not: the
message was handled before, another commit has changed an aggregate. Such a batch is run again in a transaction with locks.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from shared.runtime.cache import Cache, CachedReader
from shared.runtime.database import (
    Batch,
    Changes,
    ConflictError,
    Database,
    DatabaseAwayError,
    FencedError,
    Loaded,
    OutboxRow,
    RepeatedError,
)
from shared.runtime.inputs import DeadLetter, Deliver, RetryTimer, WorkItem, identity, ids
from shared.runtime.observability.logs import about
from shared.runtime.observability.meter import Meter
from shared.runtime.sifting import sifted
from shared.runtime.work import CulpritError, Wiring, Work

log = logging.getLogger(__name__)
CONTENDED_SECONDS: Final = 1.0
"""For so long the aggregates of a type are locked, after another member has changed one that a batch had used."""


@dataclass
class Committed:
    """What one or several commits did: the rows to publish, the aggregates that changed, how many items were new.

    ``visits``: how often others have committed beside the owner, by partition.
    """

    rows: list[OutboxRow] = field(default_factory=list)
    changed: list[Loaded[Any]] = field(default_factory=list)
    handled: int = 0
    visits: dict[int, int] = field(default_factory=dict)

    def add(self, other: "Committed") -> None:
        """Append what a later commit did."""
        self.rows += other.rows
        self.changed += other.changed
        self.handled += other.handled
        self.visits |= other.visits


class Processor:
    """Commits batches for one service."""

    def __init__(self, wiring: Wiring, database: Database) -> None:
        self._wiring, self._database = wiring, database
        self.meter = Meter(wiring.service, wiring.partition_of)
        self.cache = Cache()
        self._contended: dict[type[Any], float] = {}

    async def process(self, items: Sequence[WorkItem], epochs: Mapping[int, int] | None) -> Committed:
        """Commit these items, in order.

        ``epochs``: by partition, as given when it was taken; nothing where other members own the partitions.

        An item that cannot be handled becomes a dead letter, the others are committed. Raises
        :class:`shared.runtime.database.FencedError` and :class:`shared.runtime.database.DatabaseAwayError`; nothing is lost
        by either.
        """
        if epochs is not None and self._is_alone(items):
            committed = await self._commit_at_once(items, epochs)
            if committed is not None:
                return committed
        return await self._commit_with_locks(items, epochs)

    # --- one statement

    def _is_alone(self, items: Sequence[WorkItem]) -> bool:
        """Whether nothing is known to be in the way of a commit without locks."""
        if any(isinstance(item, RetryTimer) for item in items):
            return False
        now = time.monotonic()
        self._contended = {kind: until for kind, until in self._contended.items() if until > now}
        if not self._contended:
            return True
        reactions = {item.reaction.name: item.reaction for item in items if isinstance(item, Deliver)}.values()
        return self._contended.keys().isdisjoint(kind for reaction in reactions for kind in reaction.changes)

    async def _commit_at_once(self, items: Sequence[WorkItem], epochs: Mapping[int, int]) -> Committed | None:
        """Commit with one statement; returns nothing where that cannot be done."""
        began, now = time.perf_counter(), await self._database.now()
        work = Work(self._wiring, CachedReader(self.cache, self._database), now)
        try:
            todo, work = await self._run(list(items), work)
            seen = [seen for item in todo if (seen := identity(item))]
            if len({one.name for one in seen}) < len(seen) or any(isinstance(item, RetryTimer) for item in todo):
                return None
            work.close_dead_letters(todo)
            changes = work.aggregates.changes()
            owned = {item.partition: epochs[item.partition] for item in todo}
            receipt = await self._database.commit(Batch(owned, seen, changes, work.outgoing))
        except (FencedError, DatabaseAwayError):
            raise
        except Exception as error:
            log.debug("%s: a batch is run again with locks: %s", self._wiring.service, error)
            self._forget(work, contended=isinstance(error, ConflictError) and not isinstance(error, RepeatedError))
            return None
        self.cache.keep(changes)
        self._report(todo, work, now + timedelta(seconds=time.perf_counter() - began))
        return Committed(receipt.rows, _changed(changes), len(todo), receipt.visits)

    async def _run(self, todo: list[WorkItem], work: Work) -> tuple[list[WorkItem], Work]:
        """Run the reactions of a batch. Those that fail are replaced, and cost no more than to run the batch again."""
        for to_the_end in (False, True):
            try:
                await work.run(todo, to_the_end=to_the_end)
                return todo, work
            except CulpritError as culprits:
                if to_the_end:
                    self._replace_failed(culprits, todo)
                work = work.anew()
        await work.run(todo, to_the_end=False)
        return todo, work

    def _forget(self, work: Work, *, contended: bool) -> None:
        """Read anew what a commit has used that was refused."""
        for kind, aggregate_id in work.aggregates.used():
            self.cache.forget(kind, aggregate_id)
            if contended:
                self._contended[kind] = time.monotonic() + CONTENDED_SECONDS

    # --- a transaction with locks

    async def _commit_with_locks(self, items: Sequence[WorkItem], epochs: Mapping[int, int] | None) -> Committed:
        todo = list(items)
        seek = False
        while todo:
            try:
                return await self._commit(todo, epochs, seek_culprits=seek)
            except CulpritError as culprits:
                if seek:
                    self._replace_failed(culprits, todo)
                seek = not seek  # where one fails others may: they are sought in one more run, and not one run each
            except (FencedError, DatabaseAwayError):
                raise
            except ConflictError:
                await asyncio.sleep(0)
            except Exception as error:
                if len(todo) > 1:
                    half = len(todo) // 2
                    committed = await self._commit_with_locks(todo[:half], epochs)
                    committed.add(await self._commit_with_locks(todo[half:], epochs))
                    return committed
                if not isinstance(todo[0], Deliver):
                    raise
                log.exception("%s cannot be committed", todo[0].reaction.name, extra=about(ids(todo[0])))
                todo[0] = _failed_item(todo[0], error)
        return Committed()

    async def _commit(self, items: Sequence[WorkItem], epochs: Mapping[int, int] | None, *, seek_culprits: bool) -> Committed:
        """One transaction. With ``seek_culprits`` it runs to the end whatever fails, and raises all that did."""
        async with self._database.transaction() as transaction:
            partitions = {item.partition for item in items}
            if epochs is None:
                now, visits = await transaction.visit(partitions), dict[int, int]()
            else:
                now, visits = await transaction.check({partition: epochs[partition] for partition in partitions})
            began = time.perf_counter()
            unseen, known = await sifted(transaction, items)
            work = Work(self._wiring, transaction, now)
            await work.run(unseen, to_the_end=seek_culprits)
            work.close_dead_letters(unseen, known)
            changes = work.aggregates.changes()
            for made in changes:
                await transaction.save(made)
            postponed = await work.postpone(transaction)
            rows = await transaction.send(work.outgoing)
        self.cache.keep(changes)
        for store, aggregate_id in postponed:
            self.cache.forget(store.kind, aggregate_id)
        self._report(unseen, work, now + timedelta(seconds=time.perf_counter() - began))
        return Committed(rows, _changed(changes), len(unseen), visits)

    # --- both

    def _replace_failed(self, culprits: CulpritError, todo: list[WorkItem]) -> None:
        for item, cause in culprits.failed:
            log.error("%s failed; a dead letter says why", item.reaction.name, exc_info=cause, extra=about(ids(item)))
            place = next(n for n, other in enumerate(todo) if other is item)  # there may be equal ones
            todo[place] = _failed_item(item, cause)

    def _report(self, items: Sequence[WorkItem], work: Work, at: Any) -> None:
        """Count and log a commit that stands."""
        work.spans.committed()
        debug = log.isEnabledFor(logging.DEBUG)
        if work.dead or debug:
            _log_items(items, debug=debug)
        self.meter.committed(items, work.emitted, work.dead, at)


def _changed(changes: Iterable[Changes]) -> list[Loaded[Any]]:
    return [one for made in changes for one in made.changed]


def _failed_item(item: Deliver, error: BaseException) -> WorkItem:
    if item.record is not None:
        return DeadLetter(item.partition, item.record, error, item.reaction.name)
    return RetryTimer(item.partition, item.reaction, item.trigger, error)


def _log_items(items: Iterable[WorkItem], *, debug: bool) -> None:
    """Log what could not be read, once its dead letter is committed; and all else, too, where that is wanted."""
    for item in items:
        if isinstance(item, DeadLetter) and item.stage == "read":
            log.warning("a record cannot be read and is a dead letter", extra=about(ids(item), error=type(item.error).__name__))
        elif debug:
            log.debug("committed: %s", type(item).__name__, extra=about(ids(item)))
