"""Looks at the topics while services run: what somebody alters by hand is told before a start is refused for it."""

import asyncio
import logging
import time
from typing import Final

from aiokafka.errors import KafkaError

from services.alerts.reports import Reports
from services.alerts.watchdog import words
from services.alerts.watchdog.conditions import Conditions
from services.alerts.watchdog.damper import Damper
from shared.contract.topics import TOPICS
from shared.runtime.kafka.topics import compare_topics
from shared.settings import Settings
from shared.timeouts import within

log = logging.getLogger(__name__)
EVERY_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 20.0


class Topics:
    """Looks every minute, and opens an alert for each topic of ours for which a service would refuse to start."""

    def __init__(self, settings: Settings, reports: Reports) -> None:
        self._settings = settings
        self.conditions = Conditions(words.TOPIC, Damper(0, 0), reports, "the topic is as the services need it")

    async def run(self) -> None:
        """Look until cancelled; a broker that is away is waited for."""
        while True:
            try:
                await self.look(time.time(), time.monotonic())
            except (KafkaError, OSError, TimeoutError) as error:
                log.warning("the topics cannot be looked at now: %r", error)
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self, at: float, now: float) -> None:
        """Look once, at ``at`` (seconds since 1970), which is ``now`` by a steady clock."""
        found = await within(LOOK_SECONDS, compare_topics(self._settings))
        refused: dict[str, list[str]] = {}
        for one in found:
            if one.refused:
                refused.setdefault(one.topic, []).append(one.sentence)
        wrong = {name: words.topic_altered(name, sentences, at) for name, sentences in refused.items()}
        names = [self._settings.topic(name) for name in TOPICS]
        self.conditions.see(wrong, names, names, now)
