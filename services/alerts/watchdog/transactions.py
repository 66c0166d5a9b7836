"""Watches for transactions that stay open in a topic of ours: nobody reads what is written after their first record."""

from typing import Final

from services.alerts.reports import Reports
from services.alerts.watchdog import words
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.damper import Damper
from shared.contract.topics import TOPICS
from shared.lag.model import Place, Snapshot
from shared.settings import Settings

HELD_SECONDS: Final = 20.0
"""A producer that works commits within seconds; Kafka ends the transaction of one that died after a minute or more."""


class Transactions:
    """Told of every look at the cluster, it opens an alert for each partition that is held back, and closes it."""

    def __init__(self, settings: Settings, reports: Reports) -> None:
        self._names = {settings.topic(name): name for name in TOPICS}
        self._since: dict[tuple[Place, int], float] = {}
        self.conditions = Conditions(words.HELD_BACK, Damper(0, settings.watch_seconds), reports, "the transaction has ended")

    def see(self, snapshot: Snapshot, now: float) -> None:
        """Take in a look at ``now`` (seconds of a steady clock)."""
        held = {place: back for place, back in snapshot.held_back.items() if place[0] in self._names}
        keys = {(place, back.first_offset) for place, back in held.items()}
        self._since = {key: self._since.get(key, now) for key in keys}
        wrong = {
            _named(place): words.held_back(_named(place), place, back, TOPICS[self._names[place[0]]].reader)
            for place, back in held.items()
            if now - self._since[place, back.first_offset] >= HELD_SECONDS
        }
        subjects = {_named(place) for place in held}
        self.conditions.see(wrong, subjects, subjects, now)


def _named(place: Place) -> str:
    return f"{place[0]}/{place[1]}"
