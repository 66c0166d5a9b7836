"""Watches the topics: an alteration by hand opens an alert before a service refuses to start for it."""

import asyncio
import logging
import time
from collections import defaultdict
from typing import Final

from aiokafka.errors import KafkaError

from services.alerts.reports import Reports
from services.alerts.watchdog.condition_alerts import TOPIC, topic_altered
from services.alerts.watchdog.conditions import Conditions
from shared.contract.topics import TOPICS
from shared.runtime.kafka.topics import compare_topics
from shared.settings import Settings
from shared.timeouts import run_with_timeout

log = logging.getLogger(__name__)
EVERY_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 20.0


class TopicMonitor:
    """Looks every minute, and opens an alert for each of our topics for which a service would refuse to start."""

    def __init__(self, settings: Settings, reports: Reports) -> None:
        self._settings = settings
        self.conditions = (Conditions(TOPIC, reports, "the topic is as the services need it"),)

    async def run(self) -> None:
        """Look until cancelled; retry while no broker answers."""
        while True:
            try:
                await self.look(time.time(), time.monotonic())
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("cannot check the topics: %r", error)
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self, at: float, now: float) -> None:
        """Look once. ``at``: seconds since 1970; ``now``: the same moment in seconds of a monotonic clock."""
        refused: dict[str, list[str]] = defaultdict(list)
        for one in await run_with_timeout(LOOK_SECONDS, compare_topics(self._settings)):
            if one.refused:
                refused[one.topic].append(one.sentence)
        wrong = {name: topic_altered(name, sentences, at) for name, sentences in refused.items()}
        names = [self._settings.topic(name) for name in TOPICS]
        self.conditions[0].update(wrong, names, names, now)
