"""Turns what the watchdog finds into alerts, without ever blocking it.

This needs no Kafka: an alert is a commit in alerts' own database, and notifications are sent from there. While the database
is unreachable too, targets are notified directly, and the alerts are written once it is back.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.alerts.model import Failure
from services.alerts.notifier import Notifier, TargetQueue
from services.alerts.store import DeadLetterStore
from services.alerts.targets import Notification

TICK_SECONDS: Final = 1.0


@dataclass
class Report:
    """The pending change of one alert: a failure, its resolution (by whom, and why), or both in this order.

    ``notified``: the targets that were notified of the failure directly.
    """

    failure: Failure | None = None
    resolution: tuple[str, str] | None = None
    notified: set[str] = field(default_factory=set)


class Reports:
    """Queues reports without waiting. Of each alert the last report counts."""

    def __init__(self, store: DeadLetterStore, notifier: Notifier) -> None:
        self._store, self._notifier = store, notifier
        self._pending: dict[str, Report] = {}
        self._reported = asyncio.Event()
        self._back, self._away = asyncio.Event(), asyncio.Event()
        self._back.set()

    @property
    def away(self) -> bool:
        """Whether the database is unreachable. The outage monitor sets it."""
        return self._away.is_set()

    @away.setter
    def away(self, away: bool) -> None:
        (self._away if away else self._back).set()
        (self._back if away else self._away).clear()

    def report(self, failure: Failure) -> None:
        """Open an alert, or count it once more."""
        self._pending[failure.alert_id] = Report(failure)
        self._reported.set()

    def resolve(self, alert_id: str, by: str, why: str) -> None:
        """Close an alert, if it is open."""
        before = self._pending.get(alert_id, Report())
        self._pending[alert_id] = replace(before, resolution=(by, why))
        self._reported.set()

    async def run(self) -> None:
        """Write reports, and notify targets directly of those that cannot be written, until cancelled."""
        await asyncio.gather(self._write(), *map(self._notify, self._notifier.queues))

    async def _write(self) -> None:
        while True:
            await self._reported.wait()
            self._reported.clear()
            while self._pending:
                await self._back.wait()
                alert_id, report = next(iter(self._pending.items()))
                if await self._unless_away(self._written(alert_id, report)) and self._pending[alert_id] is report:
                    del self._pending[alert_id]

    async def _written(self, alert_id: str, report: Report) -> None:
        if report.failure:
            known = report.notified.issuperset(self._notifier.names) or report.resolution is not None
            await self._store.report(replace(report.failure, quiet=report.failure.quiet or known))
        if report.resolution:
            await self._store.resolve(alert_id, *report.resolution)

    async def _unless_away(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether the work finished before the database became unreachable. Repeating a commit is harmless."""
        working, away = asyncio.create_task(work), asyncio.create_task(self._away.wait())
        try:
            await asyncio.wait({working, away}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            away.cancel()
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
        if working.cancelled():
            return False
        working.result()
        return True

    async def _notify(self, queue: TargetQueue) -> None:
        """Notify one target of each report that cannot be written, until it accepts it."""
        while True:
            await self._away.wait()
            for report in list(self._pending.values()):
                failure = report.failure
                if failure is None or failure.quiet or report.resolution or queue.target.name in report.notified:
                    continue
                if not await queue.send(_notification(failure)):
                    break
                report.notified.add(queue.target.name)
            await asyncio.sleep(TICK_SECONDS)


def _notification(failure: Failure) -> Notification:
    return Notification(failure.alert_id, failure.severity, failure.title, failure.text, failure.kind, failure.checkout_id)
