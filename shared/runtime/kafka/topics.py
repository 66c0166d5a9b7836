"""The topics of a cluster: created where they are missing, and compared with what the services count on."""

import asyncio
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any

from aiokafka.admin import NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from shared.contract.topics import TOPICS, Topic
from shared.runtime.kafka import CLIENT_SECONDS, TopicsError, admin_client, topic_checks
from shared.runtime.kafka.topic_checks import Difference
from shared.settings import Settings

log = logging.getLogger(__name__)


async def create_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing and return their names. Raises :class:`TopicsError` where one cannot be had."""
    async with admin_client(settings) as admin:
        existing = set(await admin.list_topics())
        missing = [topic for topic in TOPICS.values() if settings.topic(topic.name) not in existing]
        await _create(admin, missing, settings)
    await _until_known(settings)
    return [topic.name for topic in missing]


async def _until_known(settings: Settings) -> None:
    """A broker answers for a topic it has just made only when it has heard of it itself."""
    deadline = time.monotonic() + CLIENT_SECONDS
    while True:
        unknown = [d for d in await compare_topics(settings) if d.setting in ("topic", "partitions")]
        if not unknown:
            return
        if time.monotonic() > deadline:
            raise _refusal(unknown)
        await asyncio.sleep(0.1)


async def _create(admin: Any, topics: Sequence[Topic], settings: Settings) -> None:
    new = [
        NewTopic(
            settings.topic(topic.name),
            settings.partitions,
            settings.replication_factor,
            topic_configs=topic_checks.wanted_config(topic, settings),
        )
        for topic in topics
    ]
    if not new:
        return
    try:
        response = await admin.create_topics(new)
    except TopicAlreadyExistsError:
        return
    failed = [f"{name}: {message or code}" for name, code, message in response.topic_errors if code not in (0, 36)]
    if failed:
        raise TopicsError("topics could not be created: " + "; ".join(failed))


async def compare_topics(settings: Settings, topics: Iterable[Topic] = TOPICS.values()) -> list[Difference]:
    """How these topics, and the brokers' limit for transactions, differ from what the services count on."""
    chosen = list(topics)
    async with admin_client(settings) as admin:
        found = await topic_checks.read_topics(admin, [settings.topic(topic.name) for topic in chosen])
        limit = await topic_checks.read_transaction_limit(admin)
    return topic_checks.differences(settings, chosen, found) + topic_checks.transaction_difference(limit)


async def check_topics(settings: Settings, topics: Iterable[Topic] = TOPICS.values()) -> None:
    """Raises :class:`TopicsError` where one of these topics is missing or may lose messages; logs what else differs."""
    different = await compare_topics(settings, topics)
    if refused := [one for one in different if one.refused]:
        raise _refusal(refused)
    for one in different:
        log.warning("%s", one.sentence)


def _refusal(different: Iterable[Difference]) -> TopicsError:
    said = "; ".join(one.sentence for one in different)
    return TopicsError(
        f"{said}: create what is missing with `quadrille topics create`, alter the topic or set QUADRILLE_PARTITIONS to what is"
        " there; `quadrille topics check` says all"
    )
