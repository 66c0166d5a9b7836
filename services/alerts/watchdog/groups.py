"""Watches the consumer groups of the cluster, and opens alerts for ours that make no progress."""

import asyncio
import logging
import time
from collections.abc import Container
from datetime import UTC, datetime
from typing import Final

from aiokafka.errors import KafkaError

from services.alerts.app import GROUP as DEAD_LETTER_GROUP
from services.alerts.reports import Reports
from services.alerts.watchdog.condition_alerts import GROUP, dead_letters_lost, group_stalled
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.transactions import TransactionMonitor
from shared.lag.judgement import Status
from shared.lag.model import Snapshot
from shared.lag.reader import LagReader
from shared.lag.window import Window
from shared.runtime.kafka.lost import LostRecords
from shared.runtime.observability.repeats import REPEATED
from shared.settings import Settings

log = logging.getLogger(__name__)
WINDOW: Final = 10
"""Snapshots a group is judged by."""
BAD: Final = (Status.STALL, Status.STOP)


class ConsumerGroupMonitor:
    """Takes a snapshot every ``watch_seconds``."""

    def __init__(self, settings: Settings, reports: Reports) -> None:
        self._settings, self._reports, every = settings, reports, settings.watch_seconds
        self._ours = settings.topic("quadrille.")
        self.window = Window(WINDOW)
        self._groups = Conditions(GROUP, reports, "it makes progress again", every, 2 * every)
        self._transactions = TransactionMonitor(settings, reports)
        self.conditions = (self._groups, self._transactions.conditions)
        self._dead_letters = settings.topic(DEAD_LETTER_GROUP)
        self._lost: set[LostRecords] = set()

    async def run(self) -> None:
        """Look until cancelled; retry while no broker answers."""
        reachable = True
        while True:
            try:
                async with LagReader(self._settings) as reader:
                    while True:
                        snapshot = await reader.snapshot()
                        reachable = True
                        self.update(snapshot, time.monotonic())
                        await asyncio.sleep(self._settings.watch_seconds)
            except (KafkaError, OSError, TimeoutError) as error:
                if reachable:
                    log.warning("cannot read the lag of the consumer groups: %r", error)
                reachable = False
                await asyncio.sleep(self._settings.watch_seconds)

    def update(self, snapshot: Snapshot, now: float) -> None:
        """Take in a snapshot of ``now`` (seconds of a monotonic clock)."""
        self.window.add(snapshot)
        self._judge(snapshot, now)
        self._report_lost(snapshot)
        self._transactions.update(snapshot, now)

    def _judge(self, snapshot: Snapshot, now: float) -> None:
        statuses = {n: status for n, status in self.window.statuses().items() if n.startswith(self._ours)}
        wrong = {n: group_stalled(snapshot.groups[n], status, snapshot.at) for n, status in statuses.items() if status in BAD}
        known = {n for n, status in statuses.items() if status is not None} - snapshot.unread.keys()
        unread = {n for n in snapshot.unread if n.startswith(self._ours)}
        self._groups.update(wrong, statuses.keys() | unread, known, now)

    def _report_lost(self, snapshot: Snapshot) -> None:
        """Report dead letters that were deleted before they were read: Faust skips them silently."""
        group = snapshot.groups.get(self._dead_letters)
        for place, position in group.positions.items() if group else ():
            if position.current is not None and position.current < position.oldest:
                lost = LostRecords(self._dead_letters, *place, position.current, position.oldest)
                if lost not in self._lost:
                    self._reports.report(dead_letters_lost(lost))
                    self._lost.add(lost)

    def read_until(self, group: str, topics: Container[str]) -> datetime | None:
        """The moment up to which a group has read these topics; None if that is unknown."""
        last = self.window.last
        found = last.groups.get(self._settings.topic(group)) if last else None
        if last is None or found is None:
            return None
        positions = [position for (topic, _), position in found.positions.items() if topic in topics]
        for position in positions:
            unknown = position.end > position.oldest if position.current is None else position.age is None
            if unknown:
                log.warning("the progress of %s is unknown, so nothing is judged by it", found.name, extra=REPEATED)
                return None
        return datetime.fromtimestamp(last.at - max((position.age or 0.0 for position in positions), default=0.0), UTC)
