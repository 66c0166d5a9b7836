"""What the broker promises for each topic."""

from datetime import timedelta

import pytest

from shared.contract.services import SERVICES
from shared.contract.topics import TOPICS
from shared.runtime.postgres.inbox import KEPT


@pytest.mark.parametrize(("replicas", "wanted"), [(1, "1"), (2, "1"), (3, "2"), (5, "4")])
def test_a_record_that_is_acknowledged_outlives_the_leader_and_one_broker_may_be_away(replicas: int, wanted: str) -> None:
    assert {topic.config(replicas)["min.insync.replicas"] for topic in TOPICS.values()} == {wanted}


def test_a_message_is_remembered_for_longer_than_it_can_be_read() -> None:
    """The broker deletes whole segments, by the newest of their records."""
    for topic in TOPICS.values():
        if not topic.compacted and (topic.reader in SERVICES or topic.writer in SERVICES):
            config = topic.config()
            readable = timedelta(milliseconds=int(config["retention.ms"]) + int(config["segment.ms"]))
            assert readable < KEPT, topic.name
