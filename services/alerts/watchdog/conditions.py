"""Conditions of one kind: each that lasts is an alert, which closes when it is over."""

from collections.abc import Container, Iterable, Mapping

from services.alerts.model import Failure
from services.alerts.reports import Reports
from services.alerts.watchdog import words
from services.alerts.watchdog.damper import Damper


class Conditions:
    """Those of one kind, by subject. ``over``: why an alert of it is closed."""

    def __init__(self, kind: str, damper: Damper, reports: Reports, over: str) -> None:
        self.kind, self._damper, self._reports, self._over = kind, damper, reports, over

    def recall(self, known: Iterable[str]) -> None:
        """These alerts are open."""
        self._damper.raised.update(words.subjects(self.kind, known))

    @property
    def raised(self) -> set[str]:
        """The subjects that have an open alert."""
        return self._damper.raised

    def see(self, wrong: Mapping[str, Failure], subjects: Iterable[str], known: Container[str], now: float) -> None:
        """Open alerts for what is wrong and close those of what is over; of subjects not ``known`` nobody can tell."""
        changes = self._damper.see({name: name in wrong if name in known else None for name in subjects}, now)
        for name in changes.raised:
            self._reports.report(wrong[name])
        for name in changes.cleared:
            self._reports.settle(words.identity(self.kind, name), words.BY, self._over)
