"""Conditions of one kind: each that lasts is an alert, which closes when the condition ends."""

from collections.abc import Container, Iterable, Mapping

from services.alerts.model import Failure
from services.alerts.reports import Reports
from services.alerts.watchdog.hysteresis import Hysteresis
from services.alerts.watchdog.identity import BY, identity, subjects


class Conditions:
    """Conditions of one kind, by subject. ``over``: why their alerts are closed. Times are in seconds."""

    def __init__(self, kind: str, reports: Reports, over: str, raise_after: float = 0, clear_after: float = 0) -> None:
        self.kind, self._reports, self._over = kind, reports, over
        self._hysteresis = Hysteresis(raise_after, clear_after)

    def restore(self, open_alerts: Iterable[str]) -> None:
        """Take over the alerts that were open at the start, by their ids."""
        self._hysteresis.raised.update(subjects(self.kind, open_alerts))

    @property
    def raised(self) -> set[str]:
        """The subjects with an open alert."""
        return self._hysteresis.raised

    def update(self, wrong: Mapping[str, Failure], watched: Iterable[str], known: Container[str], now: float) -> None:
        """Open alerts for what is wrong and close those of what is over.

        ``watched``: all subjects; the state of those not in ``known`` is unknown. ``now``: seconds of a monotonic clock.
        """
        changes = self._hysteresis.update({name: name in wrong if name in known else None for name in watched}, now)
        for name in changes.raised:
            self._reports.report(wrong[name])
        for name in changes.cleared:
            self._reports.resolve(identity(self.kind, name), BY, self._over)
