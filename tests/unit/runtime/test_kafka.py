"""Clients whose broker is away: an error of Kafka's, which is waited for, and nothing else."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from shared.runtime import kafka
from shared.settings import Settings, load

AWAY = load({"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})


async def consume(settings: Settings) -> None:
    await kafka.start(kafka.consumer(settings, "tests", "tests"))


@pytest.mark.parametrize(
    "reach", [kafka.check_topics, kafka.create_topics, lambda settings: kafka.producer(settings, "tests"), consume]
)
async def test_a_broker_that_is_away_is_no_other_error(reach: Callable[[Settings], Awaitable[Any]]) -> None:
    with pytest.raises(KafkaError):
        await reach(AWAY)
