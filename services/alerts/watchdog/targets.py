"""Looks at the targets of notifications: of one that stays dead the others are told."""

import asyncio
import time
from typing import Final

from services.alerts.notifier import Notifier
from services.alerts.reports import Reports
from services.alerts.watchdog import words
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.damper import Damper
from shared.settings import Settings

LASTS: Final = 6
"""Looks in a row that find a target failing before it is told: half a minute, with the settings as they come."""


class Targets:
    """Looks every ``watch_seconds``."""

    def __init__(self, settings: Settings, reports: Reports, notifier: Notifier) -> None:
        self._every, self._notifier = settings.watch_seconds, notifier
        self._failing = Conditions(words.TARGET, Damper(LASTS * self._every, 0), reports, "it takes notifications")
        self.conditions = (self._failing,)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            at = time.time()
            failing = self._notifier.failing.items()
            wrong = {name: words.target_failing(name, target.label, why, at) for name, (target, why) in failing}
            self._failing.see(wrong, self._notifier.names, self._notifier.tried, time.monotonic())
            await asyncio.sleep(self._every)
