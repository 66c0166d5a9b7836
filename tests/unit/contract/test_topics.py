"""What an acknowledgement of the broker means."""

import pytest

from shared.contract.topics import TOPICS


@pytest.mark.parametrize(("replicas", "wanted"), [(1, "1"), (2, "1"), (3, "2"), (5, "4")])
def test_a_record_that_is_acknowledged_outlives_the_leader_and_one_broker_may_be_away(replicas: int, wanted: str) -> None:
    assert {topic.config(replicas)["min.insync.replicas"] for topic in TOPICS.values()} == {wanted}
