"""Consumers that know when they were last polled, also where a poll raised.

aiokafka counts the polls under way, and one that raised stays counted: from then on the consumer takes itself for busy, and
keeps its partitions however long nobody polls it.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer import consumer
from aiokafka.consumer.subscription_state import SubscriptionState


class Subscriptions(SubscriptionState):
    """In the place of aiokafka's own class."""

    @contextlib.contextmanager
    def fetch_context(self) -> Iterator[None]:
        """Count a poll while it is under way."""
        self._fetch_count += 1
        try:
            yield
        finally:
            self._fetch_count -= 1
            if self._fetch_count == 0:
                self._last_fetch_ended = time.monotonic()


def at_hand(client: Any) -> list[TopicPartition]:
    """The partitions of which a consumer has records, or an error, that nobody has asked for yet."""
    return list(client._fetcher._records)


def install() -> None:
    """Have every consumer of this process count in this way."""
    consumer.SubscriptionState = Subscriptions
