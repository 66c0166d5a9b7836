"""Topics that exist are not taken as they are: what may lose messages is refused, what else differs is told."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.contract.topics import TOPICS, topics_of
from shared.runtime.kafka.topic_checks import FoundTopic, differences, duration, transaction_difference, wanted_config
from shared.settings import load

SETTINGS = load({"QUADRILLE_TOPIC_PREFIX": "shop."})


def found(topic: str, partitions: int = 6, replicas: int = 1, **config: str) -> FoundTopic:
    """A topic as it is created, but for these settings."""
    changed = {name.replace("_", "."): value for name, value in config.items()}
    return FoundTopic(partitions, replicas, wanted_config(TOPICS[topic], SETTINGS) | changed)


def told(topic: str, as_found: FoundTopic | None) -> list[tuple[str, bool]]:
    """The settings that differ, and whether the start is refused for them."""
    there = {f"shop.{topic}": as_found} if as_found else {}
    return [(one.setting, one.refused) for one in differences(SETTINGS, [TOPICS[topic]], there)]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_as_it_is_created_does_not_differ(topic: str) -> None:
    assert told(topic, found(topic)) == []


@pytest.mark.parametrize(
    ("topic", "as_found", "expected"),
    [
        ("cart.commands", None, [("topic", True)]),
        ("cart.commands", found("cart.commands", partitions=8), [("partitions", True)]),
        ("cart.commands", found("cart.commands", cleanup_policy="compact"),
         [("cleanup.policy", True), ("retention.ms", False)]),
        ("cart.commands", found("cart.commands", cleanup_policy="compact,delete"), [("cleanup.policy", True)]),
        ("cart.events", found("cart.events", message_timestamp_type="CreateTime"), [("message.timestamp.type", True)]),
        ("cart.events", found("cart.events", retention_ms="3600000"), [("retention.ms", True)]),
        ("cart.events", found("cart.events", retention_ms="-1"), [("retention.ms", False)]),
        ("cart.events", found("cart.events", segment_ms="604800000"), [("retention.ms", False)]),
        ("cart.events", found("cart.events", retention_bytes="1000000"), [("retention.bytes", False)]),
        ("checkout.dlq", found("checkout.dlq", retention_ms="604800000"), [("retention.ms", False)]),
        ("checkout.dlq", found("checkout.dlq", max_message_bytes="1048588"), [("max.message.bytes", False)]),
        ("checkout.dlq", found("checkout.dlq", compression_type="lz4"), [("compression.type", False)]),
        ("checkout.dlq", found("checkout.dlq", min_insync_replicas="2"), [("min.insync.replicas", False)]),
        ("cart.events", found("cart.events", replicas=3, unclean_leader_election_enable="true"),
         [("unclean.leader.election.enable", False)]),
        ("catalog.events", found("catalog.events", cleanup_policy="delete"), [("cleanup.policy", False)]),
        ("catalog.events", found("catalog.events", message_timestamp_type="CreateTime"), [("message.timestamp.type", False)]),
        ("cart.events", FoundTopic(6, 1), [("settings", False)]),
    ],
)  # fmt: skip
def test_what_may_lose_messages_refuses_the_start_and_what_else_differs_is_told(
    topic: str, as_found: FoundTopic | None, expected: list[tuple[str, bool]]
) -> None:
    assert told(topic, as_found) == expected


def test_fewer_copies_than_the_settings_say_are_told() -> None:
    three = SETTINGS.model_copy(update={"replication_factor": 3})
    config = wanted_config(TOPICS["cart.events"], three)
    one = FoundTopic(6, 1, config | {"min.insync.replicas": "1"})
    three_of_which_one_counts = replace(one, replicas=3)
    for as_found, settings in (
        (one, ["replicas", "min.insync.replicas"]),
        (three_of_which_one_counts, ["min.insync.replicas"]),
    ):
        assert [d.setting for d in differences(three, [TOPICS["cart.events"]], {"shop.cart.events": as_found})] == settings


def test_the_sentence_names_the_topic_the_setting_and_what_it_should_be() -> None:
    (one,) = differences(
        SETTINGS, [TOPICS["cart.commands"]], {"shop.cart.commands": found("cart.commands", retention_ms="3600000")}
    )
    assert one.sentence == (
        "shop.cart.commands keeps records for 1 h: a service that is down for longer loses messages"
        " (retention.ms is 3600000, not 604800000)"
    )


def test_sizes_and_compression_of_new_topics_come_from_the_settings() -> None:
    settings = load(
        {
            "QUADRILLE_TOPIC_MAX_BYTES": "2097152",
            "QUADRILLE_DEAD_LETTER_MAX_BYTES": "8388608",
            "QUADRILLE_TOPIC_COMPRESSION": "gzip",
        }
    )
    sizes = {name: wanted_config(topic, settings)["max.message.bytes"] for name, topic in TOPICS.items()}
    assert {sizes["checkout.dlq"], sizes["cart.redrive"], sizes["alerts.redrive"]} == {"8388608"}
    assert {sizes["cart.commands"], sizes["payment.events"], sizes["catalog.events"]} == {"2097152"}
    assert {wanted_config(topic, settings)["compression.type"] for topic in TOPICS.values()} == {"gzip"}


def test_a_long_limit_for_transactions_is_told() -> None:
    assert transaction_difference(timedelta(seconds=60)) == transaction_difference(None) == []
    (one,) = transaction_difference(timedelta(minutes=15))
    assert (one.refused, one.found, one.wanted) == (False, "900000", "60000")
    assert "block a partition for 15 min" in one.sentence


def test_a_service_uses_what_it_reads_and_what_it_may_write() -> None:
    cart = {topic.name for topic in topics_of("cart", ["cart.commands", "cart.redrive", "order.events", "catalog.events"])}
    assert cart == {
        "cart.commands", "cart.redrive", "order.events", "catalog.events", "cart.events", "checkout.dlq", "alerts.commands",
    }  # fmt: skip
    assert {f"{name}.redrive" for name in ("cart", "payment", "alerts")} < {topic.name for topic in topics_of("alerts", [])}
    assert topics_of("journal", []) == []


@pytest.mark.parametrize(
    ("time", "said"), [(timedelta(days=9), "9 d"), (timedelta(minutes=90), "90 min"), (timedelta(seconds=61), "61 s")]
)
def test_a_time_is_said_in_whole_units(time: timedelta, said: str) -> None:
    assert duration(time) == said
