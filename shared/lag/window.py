"""The last few snapshots of a cluster."""

from collections import deque
from collections.abc import Iterator

from shared.lag.judgement import Status, total, trends
from shared.lag.model import Snapshot


class Window:
    """Keeps the newest snapshots, up to ``size``."""

    def __init__(self, size: int) -> None:
        self._kept: deque[Snapshot] = deque(maxlen=size)

    def add(self, snapshot: Snapshot) -> None:
        """Add the newest snapshot; the oldest is dropped."""
        self._kept.append(snapshot)

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self._kept)

    @property
    def last(self) -> Snapshot | None:
        """The newest snapshot, if there is one."""
        return self._kept[-1] if self._kept else None

    @property
    def full(self) -> bool:
        """Whether there are enough snapshots to judge by."""
        return len(self._kept) == self._kept.maxlen

    def statuses(self) -> dict[str, Status | None]:
        """The status of each group; None until the window is full."""
        kept = list(self._kept)
        if not kept:
            return {}
        if not self.full:
            return dict.fromkeys(kept[-1].groups)
        return {name: total(list(trends(kept, name).values())).status for name in kept[-1].groups}
