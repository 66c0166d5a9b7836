"""Watches for transactions that stay open in our topics: consumers cannot read past their first record."""

from typing import Final

from services.alerts.reports import Reports
from services.alerts.watchdog.condition_alerts import HELD_BACK, held_back
from services.alerts.watchdog.conditions import Conditions
from shared.contract.topics import TOPICS
from shared.lag.model import Place, Snapshot
from shared.settings import Settings

HELD_SECONDS: Final = 20.0
"""A working producer commits within seconds. Kafka aborts the transaction of a dead one after a minute or more."""


class TransactionMonitor:
    """Opens an alert for each partition that an open transaction blocks."""

    def __init__(self, settings: Settings, reports: Reports) -> None:
        self._names = {settings.topic(name): name for name in TOPICS}
        self._since: dict[tuple[Place, int], float] = {}
        self.conditions = Conditions(HELD_BACK, reports, "the transaction has ended", clear_after=settings.watch_seconds)

    def update(self, snapshot: Snapshot, now: float) -> None:
        """Take in a snapshot of ``now`` (seconds of a monotonic clock)."""
        held = {place: back for place, back in snapshot.held_back.items() if place[0] in self._names}
        keys = {(place, back.first_offset) for place, back in held.items()}
        self._since = {key: self._since.get(key, now) for key in keys}
        wrong = {
            _named(place): held_back(_named(place), place, back, TOPICS[self._names[place[0]]].reader)
            for place, back in held.items()
            if now - self._since[place, back.first_offset] >= HELD_SECONDS
        }
        watched = {_named(place) for place in held}
        self.conditions.update(wrong, watched, watched, now)


def _named(place: Place) -> str:
    return f"{place[0]}/{place[1]}"
