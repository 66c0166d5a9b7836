"""A broker that is away for ten minutes costs a handful of log lines: what repeats itself is said ever more seldom."""

import logging
import re
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

INTERVALS: Final = (10.0, 60.0, 600.0)
"""Seconds in which the same thing is not said again: after the first time, the second, and every later one."""
OURS: Final = frozenset({"cli", "devstack", "proofs", "services", "shared", "__main__"})
REPEATED: Final = {"repeated": True}
"""The ``extra`` of a line of a loop that says it again and again while something is away."""
SHAPES: Final = 1_000
"""So many different things are remembered."""
_VARYING: Final = re.compile(r"0x[0-9a-f]+|\d+(\.\d+)?")


@dataclass
class _Said:
    """When something was said last, how often since it began, and how often it was left out since."""

    at: float
    times: int = 1
    left_out: int = 0

    @property
    def quiet(self) -> float:
        """Seconds in which it is not said again."""
        return INTERVALS[min(self.times, len(INTERVALS)) - 1]


class Repeats:
    """Decides what is said again. What was not heard of for the longest of the intervals is new."""

    def __init__(self) -> None:
        self._said: OrderedDict[object, _Said] = OrderedDict()

    def left_out(self, what: object) -> int | None:
        """How often a thing was left out since it was said last, where it is to be said now; else nothing."""
        now = time.monotonic()
        said = self._said.get(what)
        if said is None or now - said.at > 2 * INTERVALS[-1]:
            self._said[what] = _Said(now)
            self._said.move_to_end(what)
            if len(self._said) > SHAPES:
                self._said.popitem(last=False)
            return 0
        if now - said.at < said.quiet:
            said.left_out += 1
            return None
        left_out = said.left_out
        said.at, said.times, said.left_out = now, said.times + 1, 0
        return left_out


class WithoutRepeats(logging.Filter):
    """Leaves out what libraries repeat from WARNING on, and our own lines that are marked :data:`REPEATED`.

    Numbers in them make no difference. Our other lines are not touched: each may be about another message.
    """

    def __init__(self) -> None:
        super().__init__()
        self._repeats = Repeats()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is to be said."""
        ours = record.name.partition(".")[0] in OURS
        if record.levelno < logging.WARNING or (ours and not hasattr(record, "repeated")):
            return True
        shape = _VARYING.sub("#", record.getMessage() if ours else str(record.msg))[:200]
        left_out = self._repeats.left_out((record.name, record.levelno, shape))
        if left_out:
            record.msg, record.args = f"{record.getMessage()} (and {left_out} times more since it was said last)", ()
        return left_out is not None


class Outage:
    """Tells of something that is away: that it is, now and then that it still is, and that it is back."""

    def __init__(self, log: logging.Logger, service: str) -> None:
        self._log, self._service = log, service
        self._repeats = Repeats()
        self._since: float | None = None
        self._tries = 0

    def lasts(self, what: str, *, again: float) -> None:
        """Another try has failed, because of ``what``; the next is in ``again`` seconds."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        self._tries += 1
        if self._repeats.left_out(None) is not None:
            for_ = f" for {now - self._since:.0f} s now" if self._tries > 1 else ""
            self._log.warning("%s: %s%s; tried again in %.1f s", self._service, what, for_, again)

    def ends(self) -> None:
        """It is back, if it was away."""
        if self._since is not None and self._tries > 1:
            self._log.warning(
                "%s: it goes on after %.0f s and %d tries", self._service, time.monotonic() - self._since, self._tries
            )
        self._repeats, self._since, self._tries = Repeats(), None, 0
