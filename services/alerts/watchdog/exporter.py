"""Exports the lag of the whole cluster, under the metric names of kafka_exporter and kafka-lag-exporter."""

import time
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.lag.model import NEVER, Group
from shared.lag.window import Window

STALE_SECONDS: Final = 60.0
"""Older snapshots are not exported: they would show a lag that nobody measured."""
GROUP: Final = ("consumergroup",)
GROUP_TOPIC: Final = (*GROUP, "topic")
GROUP_PARTITION: Final = (*GROUP_TOPIC, "partition")
PARTITION: Final = ("topic", "partition")


class LagExporter(Collector):
    """Exports the newest snapshot of a window."""

    def __init__(self, window: Window) -> None:
        self._window = window

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The families without samples, for the registration."""
        yield from (*_group_families(), *_topic_families())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The samples of the newest snapshot."""
        last = self._window.last
        if last is None or time.time() - last.at > STALE_SECONDS:
            return
        families = _group_families()
        statuses = self._window.statuses()
        for group in last.groups.values():
            _add_group(group, *families[:5])
            if status := statuses[group.name]:
                families[5].add_metric((group.name, status), 1)
        ends, oldest, held = _topic_families()
        for (topic, partition), offset in last.ends.items():
            ends.add_metric((topic, str(partition)), offset)
            oldest.add_metric((topic, str(partition)), last.oldest[topic, partition])
        for (topic, partition), back in last.held_back.items():
            held.add_metric((topic, str(partition)), back.records)
        yield from (*families, ends, oldest, held)


def _group_families() -> tuple[GaugeMetricFamily, ...]:
    return (
        _family("kafka_consumergroup_members", "Members of the group", GROUP),
        _family("kafka_consumergroup_current_offset", "Committed offset of the group", GROUP_PARTITION),
        _family("kafka_consumergroup_lag", "Unprocessed records; -1 if the group never committed", GROUP_PARTITION),
        _family("kafka_consumergroup_lag_sum", "Unprocessed records of all partitions", GROUP_TOPIC),
        _family("kafka_consumergroup_group_lag_seconds", "Age of the oldest unprocessed record", GROUP_PARTITION),
        _family("quadrille_consumergroup_status", "Status of the group, as in Burrow", (*GROUP, "status")),
    )


def _topic_families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
    return (
        _family("kafka_topic_partition_current_offset", "Offset of the next record", PARTITION),
        _family("kafka_topic_partition_oldest_offset", "Oldest retained offset", PARTITION),
        _family("quadrille_partition_held_back_records", "Records behind an open transaction", PARTITION),
    )


def _family(name: str, what: str, labels: tuple[str, ...]) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, labels=labels)


def _add_group(
    group: Group,
    members: GaugeMetricFamily,
    current: GaugeMetricFamily,
    lag: GaugeMetricFamily,
    sums: GaugeMetricFamily,
    seconds: GaugeMetricFamily,
) -> None:
    if group.members is not None:
        members.add_metric((group.name,), group.members)
    by_topic: dict[str, int] = {}
    for (topic, partition), position in group.positions.items():
        labels = (group.name, topic, str(partition))
        lag.add_metric(labels, position.lag)
        if position.current is not None:
            current.add_metric(labels, position.current)
        if position.lag != NEVER:
            by_topic[topic] = by_topic.get(topic, 0) + position.lag
            if position.age is not None:
                seconds.add_metric(labels, position.age)
    for topic, total in by_topic.items():
        sums.add_metric((group.name, topic), total)
