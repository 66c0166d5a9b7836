"""The lag of real groups on a real broker: ours or not, reading, stalled, stopped, rewound, or silent."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from devstack.demo.shop import unique
from shared.lag.judgement import Status
from shared.lag.model import NEVER, Snapshot
from shared.lag.reader import LagReader
from shared.lag.window import Window
from shared.runtime import kafka
from shared.settings import Settings, load
from tests.support.stacks import Stack
from tests.support.topics import raw_producer, transactional_producer
from tests.support.waiting import until


class Cluster:
    """A topic of its own on the broker, and foreign clients that use it."""

    def __init__(self, settings: Settings, topic: str) -> None:
        self.settings, self.topic = settings, topic

    async def publish(self, count: int, partition: int = 0, at: float | None = None) -> None:
        """So many records; ``at``: when they were written, in seconds since 1970."""
        async with raw_producer(self.settings) as producer:
            for _ in range(count):
                timestamp = int(at * 1000) if at else None
                await producer.send(self.topic, b"x", partition=partition, timestamp_ms=timestamp)
            await producer.flush()

    async def publish_in_transactions(self, *counts: int) -> None:
        """So many records in each of several transactions, of which the first is aborted. Each ends with a mark."""
        async with transactional_producer(self.settings) as producer:
            for number, count in enumerate(counts):
                await producer.begin_transaction()
                for _ in range(count):
                    await producer.send(self.topic, b"x", partition=0)
                await producer.flush()
                await (producer.commit_transaction() if number else producer.abort_transaction())

    @contextlib.asynccontextmanager
    async def member(self, group: str) -> AsyncIterator[Any]:
        """A member of a group that has the topic's partitions, and commits only when it is told to."""
        consumer = AIOKafkaConsumer(
            self.topic,
            bootstrap_servers=self.settings.kafka_bootstrap_servers,
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=1,
        )
        await kafka.start(consumer)
        while not consumer.assignment():
            await consumer.getmany(timeout_ms=50)
        try:
            yield consumer
        finally:
            await kafka.stop(consumer)

    async def commit(self, group: str, offset: int, partition: int = 0) -> None:
        """Commit an offset for a group, as a client without membership does."""
        made = AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap_servers, group_id=group, enable_auto_commit=False
        )
        made.assign([TopicPartition(self.topic, partition)])
        await kafka.start(made)
        await made.commit({TopicPartition(self.topic, partition): offset})
        await kafka.stop(made)


@pytest_asyncio.fixture
async def cluster(stack: Stack) -> Cluster:
    """A foreign topic with two partitions."""
    settings = load(stack.environment)
    topic = unique("parcels")
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await kafka.start(admin)
    await admin.create_topics([NewTopic(topic, 2, 1)])
    await admin.close()
    return Cluster(settings, topic)


async def looks(cluster: Cluster, group: str, count: int = 3) -> Window:
    """A full window of looks at one group."""
    window = Window(count)
    async with LagReader(cluster.settings) as reader:
        for _ in range(count):
            window.add(await reader.snapshot(group, cluster.topic))
    return window


async def look(cluster: Cluster, group: str) -> Snapshot:
    """One look."""
    last = (await looks(cluster, group, 1)).last
    assert last
    return last


async def test_offsets_lag_and_age_of_a_foreign_group(cluster: Cluster) -> None:
    group = unique("billing")
    written = time.time() - 100
    await cluster.publish(3)
    await cluster.publish(2, at=written)
    await cluster.publish(4, partition=1)
    await cluster.commit(group, 3)
    await cluster.commit(group, 4, partition=1)
    found = (await look(cluster, group)).groups[group]
    behind, done = found.positions[cluster.topic, 0], found.positions[cluster.topic, 1]
    assert (behind.current, behind.end, behind.oldest, behind.lag) == (3, 5, 0, 2)
    assert behind.age == pytest.approx(100, abs=10)
    assert (done.lag, done.age) == (0, 0.0)
    assert (found.members, found.lag) == (0, 2)


async def test_two_groups_that_wait_in_one_partition_have_ages_of_their_own(cluster: Cluster) -> None:
    early, late = unique("early"), unique("late")
    await cluster.publish(1, at=time.time() - 500)
    await cluster.publish(1, at=time.time() - 100)
    await cluster.commit(early, 0)
    await cluster.commit(late, 1)
    ages = {name: group.age for name, group in (await look(cluster, "*")).groups.items() if name in (early, late)}
    assert ages[early] == pytest.approx(500, abs=10)
    assert ages[late] == pytest.approx(100, abs=10)


async def test_a_member_that_commits_nothing_more_is_stalled_and_well_again_when_it_does(cluster: Cluster) -> None:
    group = unique("stalled")
    await cluster.publish(5)
    async with cluster.member(group) as consumer:
        await consumer.commit({TopicPartition(cluster.topic, 0): 2})
        assert (await looks(cluster, group)).statuses()[group] is Status.STALL
        await consumer.commit({TopicPartition(cluster.topic, 0): 5})
        assert (await looks(cluster, group)).statuses()[group] is Status.OK


async def test_marks_of_transactions_and_what_was_aborted_are_no_records_that_wait(cluster: Cluster) -> None:
    group, place = unique("transactional"), (cluster.topic, 0)
    await cluster.publish(1)
    await cluster.publish_in_transactions(2, 3)
    async with cluster.member(group) as consumer, LagReader(cluster.settings) as reader:
        window = Window(3)
        for current, lag in ((1, 7), (7, 0), (7, 0), (7, 0)):
            await consumer.commit({TopicPartition(*place): current})
            started = time.monotonic()
            snapshot = await reader.snapshot(group, cluster.topic)
            position = snapshot.groups[group].positions[place]
            assert (position.current, position.end, position.lag, bool(position.age)) == (current, 8, lag, lag > 0)
            window.add(snapshot)
        assert time.monotonic() - started < 1, "what is known is not looked for again"
        assert window.statuses()[group] is Status.OK
        await cluster.publish_in_transactions(2)
        assert (await reader.snapshot(group, cluster.topic)).groups[group].lag == 0
        await cluster.publish(2)
        position = (await reader.snapshot(group, cluster.topic)).groups[group].positions[place]
        assert (position.current, position.end, position.lag) == (7, 13, 6)
        assert position.age
        await consumer.commit({TopicPartition(*place): 13})
        window.add(await reader.snapshot(group, cluster.topic))
        assert window.statuses()[group] is Status.OK


async def test_an_open_transaction_holds_back_what_is_behind_it_and_is_named(cluster: Cluster) -> None:
    """Its producer has written one record and sleeps: what others write behind it counts as lag, and nobody reads it."""
    group, place = unique("held"), (cluster.topic, 0)
    await cluster.publish(1)
    async with cluster.member(group) as consumer, transactional_producer(cluster.settings) as producer:
        await consumer.commit({TopicPartition(*place): 1})
        await producer.begin_transaction()
        await producer.send_and_wait(cluster.topic, b"x", partition=0)
        await cluster.publish(2)
        window = await looks(cluster, group)
        assert window.last
        position, back = window.last.groups[group].positions[place], window.last.held_back[place]
        assert (position.current, position.end, position.stable, position.lag, position.readable) == (1, 4, 1, 3, 0)
        assert position.age is not None
        assert window.statuses()[group] is Status.HELD
        assert (back.first_offset, back.records) == (1, 3)
        assert back.transaction
        assert back.transaction.transactional_id == producer._txn_manager.transactional_id
        assert back.transaction.producer_id == producer._txn_manager.producer_id
        assert back.transaction.timeout == 60
        assert back.transaction.started_at == pytest.approx(time.time(), abs=30)
        code, out, err = await quadrille_lag(cluster, "--group", group, "--topic", cluster.topic, "--fail-above", "2")
        assert (code, err) == (1, f"{group} is 3 records behind; the limit is 2\n")
        assert f"transactional id '{producer._txn_manager.transactional_id}'" in out
        await producer.commit_transaction()
        window = await looks(cluster, group)
        assert window.last
        assert window.last.held_back == {}
        assert window.last.groups[group].positions[place].stable is None
        assert window.statuses()[group] is Status.STALL


async def test_a_group_whose_members_are_gone_is_stopped(cluster: Cluster) -> None:
    group = unique("stopped")
    await cluster.publish(5)
    async with cluster.member(group) as consumer:
        await consumer.commit({TopicPartition(cluster.topic, 0): 2})
    window = await looks(cluster, group)
    assert window.statuses()[group] is Status.STOP


async def test_a_group_that_never_committed_is_named_and_counts_in_no_sum(cluster: Cluster) -> None:
    group = unique("silent")
    await cluster.publish(5)
    async with cluster.member(group):
        found = (await look(cluster, group)).groups[group]
        assert found.positions[cluster.topic, 0].lag == NEVER
        assert found.lag == 0
        assert (cluster.topic, 0) in found.never_committed
        assert (found.members, found.state) == (1, "Stable")


async def test_a_group_of_a_topic_that_is_gone_blocks_nobody(cluster: Cluster) -> None:
    group = unique("orphan")
    await cluster.publish(1)
    await cluster.commit(group, 0)
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.settings.kafka_bootstrap_servers)
    await kafka.start(admin)
    await admin.delete_topics([cluster.topic])
    await admin.close()
    started = time.monotonic()
    async with LagReader(cluster.settings) as reader:
        snapshot = await reader.snapshot(group)
    assert time.monotonic() - started < 8
    assert all(place[0] != cluster.topic for found in snapshot.groups.values() for place in found.positions)


async def test_many_topics_are_looked_at_together_and_not_one_after_the_other(cluster: Cluster) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.settings.kafka_bootstrap_servers)
    await kafka.start(admin)
    name = unique("many")
    many = {f"{name}-{number}" for number in range(60)}
    await admin.create_topics([NewTopic(topic, 1, 1) for topic in many])
    await until(admin.list_topics, "the topics", good=many.issubset)
    await admin.close()
    async with LagReader(cluster.settings) as reader:
        started = time.monotonic()
        snapshot = await reader.snapshot(groups=name, topics=f"{name}-*")
    assert {topic for topic, _ in snapshot.ends} == many
    assert time.monotonic() - started < 4, "the client waits 0.1 s for each topic it does not know"


async def quadrille_lag(cluster: Cluster, *arguments: str) -> tuple[int, str, str]:
    """The command with settings alone: exit code, standard output and error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli.main", "lag", *arguments),
        env={**os.environ, "QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": cluster.settings.kafka_bootstrap_servers or ""},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_the_command_is_a_check_with_an_exit_code(cluster: Cluster) -> None:
    group = unique("checked")
    await cluster.publish(5, at=time.time() - 100)
    await cluster.commit(group, 1)
    within, above, too_old, nobody = await asyncio.gather(
        quadrille_lag(cluster, "--group", group, "--fail-above", "4"),
        quadrille_lag(cluster, "--group", f"{group[:-1]}?", "--topic", cluster.topic, "--fail-above", "3", "--json"),
        quadrille_lag(cluster, "--group", group, "--fail-above", "30s"),
        quadrille_lag(cluster, "--group", unique("nobody"), "--fail-above", "1"),
    )
    assert within[0] == 0
    assert group in within[1]
    assert above[0] == 1
    assert above[2] == f"{group} is 4 records behind; the limit is 3\n"
    assert json.loads(above[1])["groups"][0]["lag"] == 4
    assert too_old[0] == 1
    assert "the limit is 30 s" in too_old[2]
    assert nobody[0] == 2
    assert "no consumer group" in nobody[2]


async def test_the_command_judges_after_a_window(cluster: Cluster) -> None:
    group = unique("watched")
    await cluster.publish(5)
    await cluster.commit(group, 1)
    code, out, _ = await quadrille_lag(cluster, "--group", group, "--window", "1", "--json")
    (found,) = json.loads(out)["groups"]
    assert (code, found["status"], found["rate_out"], found["catch_up_seconds"]) == (0, "STOP", 0.0, None)
