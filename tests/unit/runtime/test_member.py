"""A member whose consumer fails says so as what it is: a consumer to be replaced, and no database to be waited for."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaError

from shared.runtime.member import Member, StalledError
from shared.settings import load


class Failing:
    """A consumer of the library that fails in a way of its own."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def getmany(self, **_: Any) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (TimeoutError(), StalledError),
        (ConnectionResetError(), StalledError),
        (KafkaError("gone"), KafkaError),
        (ValueError("a bug"), ValueError),
    ],
)
async def test_what_a_consumer_died_of_is_never_taken_for_the_database_s_fault(error: Exception, told: type[Exception]) -> None:
    settings = load({"QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    member = Member("tests", settings, ["cart.events"], asyncio.Lock())
    await member._consumer.stop()
    member._consumer = Failing(error)
    await member._fetch()
    assert member.ready.is_set()
    with pytest.raises(told) as raised:
        member.take()
    assert not isinstance(raised.value, OSError | TimeoutError)
