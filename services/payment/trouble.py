"""The gateway in trouble: what says so, how long calls are held back, and which few are made nevertheless. No I/O.

An answer that says nothing about a payment (a wrong key, a proxy, no connection) may say something about the gateway.
Where no other comes for seconds it is in trouble: one state of the whole service, kept in its database. Calls wait until
one of a few probes is answered.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.payment.gateways.port import Answer, LookUp, Unavailable, Unknown

GATEWAY: Final = "gateway"
"""The one there is."""
LEAST_ANSWERS: Final = 3
LEAST_SECONDS: Final = 5.0
"""So many answers in a row, over so long, say that it is not one payment but the gateway."""
FIRST_PROBE_SECONDS, LAST_PROBE_SECONDS = 1.0, 15.0
"""Between two probes; doubled each time."""
PROBES: Final = 2
"""Calls of one process at the same time while the gateway is in trouble."""
MAX_HELD_SECONDS: Final = 3600.0
"""A gateway that asks for more patience is tried again after so long."""


@dataclass(slots=True)
class GatewayHealth:
    """How the gateway is. ``since``: when its trouble began; nothing while there is none. ``code``, ``reason``: of the last."""

    gateway: str
    since: datetime | None = None
    code: str = ""
    reason: str = ""

    @property
    def cart_id(self) -> str:
        """It belongs to no cart."""
        return self.gateway

    def begin(self, seen: "GatewayTroubled", now: datetime) -> None:
        """It is in trouble, or still is."""
        self.since, self.code, self.reason = self.since or now, seen.code, seen.reason

    def end(self) -> None:
        """It answers."""
        self.since, self.code, self.reason = None, "", ""


@dataclass(frozen=True)
class GatewayTroubled:
    """A process has heard of nothing but trouble for seconds. ``at``: when, in seconds since 1970; ``cart_id``: whose payment
    showed it.
    """

    code: str
    reason: str
    at: float
    cart_id: str
    gateway: str = GATEWAY

    @property
    def id(self) -> str:
        """Names it as the cause of what follows from it."""
        return f"trouble/{self.gateway}/{self.at:.6f}"


@dataclass(frozen=True)
class GatewayWorks:
    """A process was answered while the gateway was in trouble. ``at``: when, in seconds since 1970; ``cart_id``: about whose
    payment.
    """

    at: float
    cart_id: str
    gateway: str = GATEWAY

    @property
    def id(self) -> str:
        """Names it as the cause of what follows from it."""
        return f"works/{self.gateway}/{self.at:.6f}"


def is_trouble(answer: Answer | LookUp) -> bool:
    """Whether an answer says nothing about its payment, or there is none."""
    return isinstance(answer, Unavailable) or (isinstance(answer, Unknown) and not answer.pending)


class Breaker:
    """What one process knows of the gateway. Moments are seconds since 1970.

    ``since``: since when the service holds it to be in trouble, as its database says.
    """

    def __init__(self) -> None:
        self.since: float | None = None
        self._answers = 0
        self._began = 0.0
        self._probe_at = 0.0
        self._pause = FIRST_PROBE_SECONDS

    @property
    def is_open(self) -> bool:
        """Whether calls are held back."""
        return self.since is not None

    def know(self, since: datetime | None, now: float) -> None:
        """What the service's database says."""
        known = since.timestamp() if since else None
        if known is not None and self.since is None:
            self._pause = FIRST_PROBE_SECONDS
            self._probe_at = max(self._probe_at, now + self._pause)
        if known is None and self.since is not None:
            self._answers, self._probe_at = 0, 0.0
        self.since = known

    def hear(self, answer: Answer | LookUp, cart_id: str, now: float) -> GatewayTroubled | GatewayWorks | None:
        """Take an answer about a payment of this cart in; returns what the service should know by it."""
        if not is_trouble(answer):
            self._answers = 0
            return GatewayWorks(now, cart_id) if self.is_open else None
        assert isinstance(answer, Unavailable | Unknown)
        self._answers += 1
        if self._answers == 1:
            self._began = now
        wait = min(answer.retry_after or 0.0, MAX_HELD_SECONDS)
        if self.is_open:
            self._pause = min(2 * self._pause, LAST_PROBE_SECONDS)
            self._probe_at = max(self._probe_at, now + max(self._pause, wait))
            return None
        if self._answers < LEAST_ANSWERS or now - self._began < LEAST_SECONDS:
            return None
        self._probe_at = now + max(FIRST_PROBE_SECONDS, wait)
        return GatewayTroubled(answer.code, answer.reason, now, cart_id)

    def may_probe(self, under_way: int, now: float) -> bool:
        """Whether one more call may be made although the gateway is in trouble. ``under_way``: those that are."""
        return under_way < PROBES and now >= self._probe_at

    def probed(self, now: float) -> None:
        """A probe is made; the next one waits for what it says, or for a while."""
        self._probe_at = now + self._pause
