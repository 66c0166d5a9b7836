"""Looks at the consumer groups of the cluster: shows their lag, and tells of ours that do not get on."""

import asyncio
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from aiokafka.errors import KafkaError

from services.alerts.app import GROUP
from services.alerts.reports import Reports
from services.alerts.watchdog import words
from services.alerts.watchdog.damper import Damper
from services.alerts.watchdog.transactions import Transactions
from shared.lag.judgement import Status
from shared.lag.reader import LagReader
from shared.lag.window import Window
from shared.runtime.kafka.lost import LostRecords
from shared.runtime.observability.repeats import REPEATED
from shared.settings import Settings

log = logging.getLogger(__name__)
WINDOW: Final = 10
"""Looks a group is judged by."""
BAD: Final = (Status.STALL, Status.STOP)


class Groups:
    """Looks every ``watch_seconds``."""

    def __init__(self, settings: Settings, reports: Reports) -> None:
        self._settings, self._reports = settings, reports
        self._ours = settings.topic("quadrille.")
        self.window = Window(WINDOW)
        self.transactions = Transactions(settings, reports)
        self._dead_letters = settings.topic(GROUP)
        self._lost: set[LostRecords] = set()
        self._damper = Damper(settings.watch_seconds, 2 * settings.watch_seconds)

    def recall(self, raised: Iterable[str]) -> None:
        """These groups have an open alert."""
        self._damper.raised.update(raised)

    async def run(self) -> None:
        """Look until cancelled; a broker that is away is waited for."""
        seen = True
        while True:
            try:
                async with LagReader(self._settings) as reader:
                    while True:
                        self.window.add(await reader.snapshot())
                        seen = True
                        self._judge()
                        self.tell_lost()
                        if self.window.last:
                            self.transactions.see(self.window.last, time.monotonic())
                        await asyncio.sleep(self._settings.watch_seconds)
            except (KafkaError, OSError, TimeoutError) as error:
                if seen:
                    log.warning("the lag of the groups cannot be seen now: %r", error)
                seen = False
                await asyncio.sleep(self._settings.watch_seconds)

    def _judge(self) -> None:
        last, statuses = self.window.last, self.window.statuses()
        assert last is not None
        bad = {n: None if status is None else status in BAD for n, status in statuses.items() if n.startswith(self._ours)}
        bad |= {name: None for name in last.unread if name.startswith(self._ours)}
        changes = self._damper.see(bad, time.monotonic())
        for name in changes.raised:
            status = statuses[name]
            assert status is not None
            self._reports.report(words.group_behind(last.groups[name], status, last.at))
        for name in changes.cleared:
            self._reports.settle(words.identity(words.GROUP, name), words.BY, "it gets on again")

    def tell_lost(self) -> None:
        """Tell of dead letters that were deleted before they were read: Faust goes on behind them without a word."""
        group = self.window.last.groups.get(self._dead_letters) if self.window.last else None
        for place, position in group.positions.items() if group else ():
            if position.current is not None and position.current < position.oldest:
                lost = LostRecords(self._dead_letters, *place, position.current, position.oldest)
                if lost not in self._lost:
                    self._reports.report(words.dead_letters_lost(lost))
                    self._lost.add(lost)

    def read_until(self, group: str) -> datetime | None:
        """The moment up to which a group was seen to have read all there is; nothing where that cannot be told."""
        last = self.window.last
        found = last.groups.get(self._settings.topic(group)) if last else None
        if last is None or found is None:
            return None
        for position in found.positions.values():
            unknown = position.end > position.oldest if position.current is None else position.age is None
            if unknown:
                log.warning("how far %s has read cannot be told now, and nothing is judged by it", found.name, extra=REPEATED)
                return None
        return datetime.fromtimestamp(last.at - found.age, UTC)
