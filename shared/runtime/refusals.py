"""The topics that refuse what a service publishes, and when each is tried again."""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.runtime.observability import metrics

log = logging.getLogger(__name__)
RETRY_SECONDS: Final = (0.5, 1.0, 2.0, 5.0)


@dataclass
class _Refusal:
    why: str
    attempts: int
    retry_at: float
    taken: bool = False


class Refusals:
    """By topic, why it refuses. One that takes a record again is held back until it is lifted: see :meth:`lift`."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._refusals: dict[str, _Refusal] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._refusals)

    def __contains__(self, topic: object) -> bool:
        return topic in self._refusals

    @property
    def trouble(self) -> str | None:
        """What health says of them."""
        told = [f"{topic} refuses records ({refusal.why})" for topic, refusal in sorted(self._refusals.items())]
        return "; ".join(told) or None

    def add(self, topic: str, error: Exception) -> None:
        """It has refused a record, for the first time or again."""
        known = self._refusals.get(topic)
        attempts = known.attempts + 1 if known else 0
        wait = RETRY_SECONDS[min(attempts, len(RETRY_SECONDS) - 1)]
        why = f"{type(error).__name__}: {error}".rstrip(": ")
        self._refusals[topic] = _Refusal(why, attempts, time.monotonic() + wait)
        metrics.topic_refuses.labels(self._service, topic).set(1)
        if known is None:
            log.error("%s: %s refuses records, which wait in the outbox; other topics go on: %s", self._service, topic, why)

    def due(self) -> list[str]:
        """The topics to try again now."""
        now = time.monotonic()
        return [topic for topic, refusal in self._refusals.items() if not refusal.taken and refusal.retry_at <= now]

    def taken(self, topic: str) -> None:
        """It has taken a record."""
        self._refusals[topic].taken = True

    def lift(self) -> None:
        """Publish on the topics that take records again. To be called before all that waits for them is published."""
        for topic in [topic for topic, refusal in self._refusals.items() if refusal.taken]:
            del self._refusals[topic]
            metrics.topic_refuses.labels(self._service, topic).set(0)
            log.warning("%s: %s takes records again", self._service, topic)
