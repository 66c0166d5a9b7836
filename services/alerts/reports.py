"""What the watchdog sees, as alerts: whether the database is there or not, and without ever waiting for it.

Nothing here needs Kafka: an alert is a commit in alerts' own database, and a notification is sent from there. While the
database is away, too, targets are told directly, and what was seen is written down when it is back.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Final

from services.alerts.keeper import Keeper
from services.alerts.model import Failure
from services.alerts.notifier import Line, Notifier
from services.alerts.targets import Notification

TICK_SECONDS: Final = 1.0


@dataclass
class Report:
    """What is to be written of one alert: a failure, that it is ``over`` (by whom, and why), or both in this order.

    ``told``: the targets that heard of the failure directly.
    """

    failure: Failure | None = None
    over: tuple[str, str] | None = None
    told: set[str] = field(default_factory=set)


class Reports:
    """Takes reports, and returns at once. Of each alert the last one counts."""

    def __init__(self, keeper: Keeper, notifier: Notifier) -> None:
        self._keeper, self._notifier = keeper, notifier
        self._pending: dict[str, Report] = {}
        self._news = asyncio.Event()
        self._back, self._away = asyncio.Event(), asyncio.Event()
        self._back.set()

    @property
    def away(self) -> bool:
        """Whether the database is known to be away: set by whoever looks at it."""
        return self._away.is_set()

    @away.setter
    def away(self, away: bool) -> None:
        (self._away if away else self._back).set()
        (self._back if away else self._away).clear()

    def report(self, failure: Failure) -> None:
        """Open an alert, or count it seen once more."""
        self._pending[failure.alert_id] = Report(failure)
        self._news.set()

    def settle(self, alert_id: str, by: str, why: str) -> None:
        """What an alert is about is over: it closes. One that is not open stays as it is."""
        before = self._pending.get(alert_id, Report())
        self._pending[alert_id] = replace(before, over=(by, why))
        self._news.set()

    async def run(self) -> None:
        """Write, and tell directly what cannot be written, until cancelled."""
        await asyncio.gather(self._write(), *map(self._tell, self._notifier.lines))

    async def _write(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._pending:
                await self._back.wait()
                alert_id, report = next(iter(self._pending.items()))
                if await self._unless_away(self._written(alert_id, report)) and self._pending[alert_id] is report:
                    del self._pending[alert_id]

    async def _written(self, alert_id: str, report: Report) -> None:
        if report.failure:
            heard = report.told.issuperset(self._notifier.names)
            await self._keeper.report(replace(report.failure, quiet=report.failure.quiet or heard or report.over is not None))
        if report.over:
            await self._keeper.settle(alert_id, *report.over)

    async def _unless_away(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether it was done before the database was found to be away. A commit may come twice: it is known again."""
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

    async def _tell(self, line: Line) -> None:
        """Tell one target what cannot be written, each once, until it takes it."""
        while True:
            await self._away.wait()
            for report in list(self._pending.values()):
                failure = report.failure
                if failure is None or report.over or line.target.name in report.told:
                    continue
                if not await line.send(_notification(failure)):
                    break
                report.told.add(line.target.name)
            await asyncio.sleep(TICK_SECONDS)


def _notification(failure: Failure) -> Notification:
    return Notification(failure.alert_id, failure.severity, failure.title, failure.text, failure.kind, failure.checkout_id)
