"""The schedule of a loop that works until it is told to stop."""

import asyncio
import logging
import time
from typing import Final

from shared.runtime.observability.repeats import Outage
from shared.timeouts import backoff, wait_for_event

log = logging.getLogger(__name__)
LONGEST_WAIT: Final = 2.0


class Schedule:
    """When what recurs is due, and how long to wait for a server that is away.

    ``trouble``: why the loop gets nowhere, or nothing where it does; whoever works sets it back. ``stopping``: it is to end.
    """

    def __init__(self, name: str) -> None:
        self._next: dict[str, float] = {}
        self._trouble: str | None = "starting"
        self._outage = Outage(log, name)
        self.stopping = asyncio.Event()

    @property
    def trouble(self) -> str | None:
        """Why the loop gets nowhere."""
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: str | None) -> None:
        self._trouble = trouble
        if trouble is None:
            self._outage.ends()

    def due(self, what: str, seconds: float) -> bool:
        """Whether so many seconds have passed since something was last due; it counts as done now if so."""
        now = time.monotonic()
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + seconds
        return True

    def run_now(self, what: str) -> None:
        """Make it due now."""
        self._next.pop(what, None)

    async def back_off(self, attempt: int, trouble: str) -> None:
        """Wait, the longer the more attempts there were (from 0), and no longer than until it is to end."""
        self.trouble = trouble
        wait = backoff(attempt, LONGEST_WAIT)
        self._outage.lasts(trouble, again=wait)
        await wait_for_event(self.stopping, wait)
