"""Conditions of one kind: each that lasts is an alert, which closes when it is over."""

from collections.abc import Container, Iterable, Mapping

from services.alerts.keeper import Keeper
from services.alerts.watchdog import words
from services.alerts.watchdog.damper import Damper
from shared.alerts.model import Failure


class Conditions:
    """Those of one kind, by subject. ``over``: why an alert of it is closed."""

    def __init__(self, kind: str, damper: Damper, keeper: Keeper, over: str) -> None:
        self.kind, self._damper, self._keeper, self._over = kind, damper, keeper, over

    def recall(self, known: Iterable[str]) -> None:
        """These alerts are open."""
        self._damper.raised.update(words.subjects(self.kind, known))

    async def see(self, wrong: Mapping[str, Failure], subjects: Iterable[str], known: Container[str], now: float) -> None:
        """Open alerts for what is wrong and close those of what is over; of subjects not ``known`` nobody can tell."""
        changes = self._damper.see({name: name in wrong if name in known else None for name in subjects}, now)
        for name in changes.raised:
            await self._keeper.report(wrong[name])
        for name in changes.cleared:
            await self._keeper.settle(words.identity(self.kind, name), words.BY, self._over)
