"""Watches the targets of notifications. Other targets are notified of one that keeps failing."""

import asyncio
import time
from typing import Final

from services.alerts.notifier import Notifier
from services.alerts.reports import Reports
from services.alerts.watchdog.condition_alerts import TARGET, target_failing
from services.alerts.watchdog.conditions import Conditions
from shared.settings import Settings

FAILING_LOOKS: Final = 6
"""Looks in a row that find a target failing before its alert opens: half a minute with the default settings."""


class TargetMonitor:
    """Looks every ``watch_seconds``."""

    def __init__(self, settings: Settings, reports: Reports, notifier: Notifier) -> None:
        self._every, self._notifier = settings.watch_seconds, notifier
        self.conditions = (Conditions(TARGET, reports, "it accepts notifications", FAILING_LOOKS * self._every),)

    async def run(self) -> None:
        """Look until cancelled."""
        (conditions,) = self.conditions
        while True:
            at, failing = time.time(), self._notifier.failing.items()
            wrong = {name: target_failing(name, target.label, why, at) for name, (target, why) in failing}
            conditions.update(wrong, self._notifier.names, self._notifier.tried, time.monotonic())
            await asyncio.sleep(self._every)
