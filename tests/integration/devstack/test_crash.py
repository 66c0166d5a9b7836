"""A stack whose owner was killed: what it left running is recognised, stopped and taken over, with all its data."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from cli.processes import Child
from devstack import jars
from devstack.embedded import EmbeddedStack
from devstack.errors import StackError
from shared.runtime import kafka
from shared.runtime.kafka.topics import create_topics
from shared.settings import Settings, load
from tests.support import stacks
from tests.support.topics import raw_producer

pytestmark = pytest.mark.skipif(stacks.chosen() != "embedded", reason="of the embedded stack alone")


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A folder with the jars the other tests use, where they are there already."""
    stacks.link_jars(tmp_path)
    yield tmp_path
    stacks.empty(tmp_path)


def start_elsewhere(state: Path) -> tuple[subprocess.Popen[str], Settings]:
    """The stack in a process of its own, and the settings it says."""
    owner = subprocess.Popen(
        [sys.executable, "-m", "devstack", "start", "--state", str(state)], cwd=stacks.ROOT, stdout=subprocess.PIPE, text=True
    )
    said: dict[str, str] = {}
    assert owner.stdout is not None
    for line in owner.stdout:
        if line.startswith("The stack is up"):
            return owner, load(said)
        name, equals, value = line.strip().partition("=")
        if equals:
            said[name] = value
    raise AssertionError(f"the stack did not start: {owner.wait()}")


async def leave_something(settings: Settings) -> None:
    connection = await asyncpg.connect(settings.database_url("cart"))
    await connection.execute("CREATE TABLE kept (what text)")
    await connection.execute("INSERT INTO kept VALUES ('a row')")
    await connection.close()
    await create_topics(settings)
    async with raw_producer(settings) as producer:
        await producer.send_and_wait("cart.events", b"a record", b"key", partition=0)


async def what_is_there(settings: Settings) -> tuple[str, bytes]:
    connection = await asyncpg.connect(settings.database_url("cart"))
    row = await connection.fetchval("SELECT what FROM kept")
    await connection.close()
    consumer: AIOKafkaConsumer = kafka.new_consumer(settings, None, "tests")
    await kafka.start(consumer)
    consumer.assign([TopicPartition("cart.events", 0)])
    record = await consumer.getone()
    await kafka.stop(consumer)
    return str(row), bytes(record.value)


async def test_a_killed_owner_leaves_everything_to_the_next(state: Path) -> None:
    owner, before = start_elsewhere(state)
    try:
        await leave_something(before)
        with pytest.raises(StackError, match=f"process {owner.pid} is running a stack in {state}"):
            await asyncio.to_thread(EmbeddedStack(state).start)
        left = [Child(**child) for child in EmbeddedStack(state)._noted()["children"].values()]
    finally:
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
    assert all(child.find() for child in left)
    assert EmbeddedStack.running(state) is not None
    said: list[str] = []
    taken_over = EmbeddedStack(state, progress=said.append)
    await asyncio.to_thread(taken_over.start)
    try:
        after = load(taken_over.environment)
        assert said[0] == "Stopped what a crashed run left behind"
        assert not any(child.find() for child in left)
        assert after.kafka_bootstrap_servers == before.kafka_bootstrap_servers
        assert after.database_url("cart") == before.database_url("cart")
        assert await what_is_there(after) == ("a row", b"a record")
        for name in ("secrets.json", "stack.json"):
            assert stat.S_IMODE(os.stat(state / name).st_mode) == 0o600
    finally:
        await asyncio.to_thread(taken_over.stop)
    assert EmbeddedStack.running(state) is None


def test_a_server_that_does_not_come_up_in_time_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one too, and one that is launched only when the start has failed already."""
    state = tmp_path / "state"
    wrong = state / "kafka" / "jars" / jars.locked()[0].file
    for jar in jars.locked():
        wrong.parent.mkdir(parents=True, exist_ok=True)
        wrong.with_name(jar.file).touch()
    monkeypatch.setattr("devstack.postgres.START_SECONDS", 0.0)
    launched: list[Child] = []
    note = EmbeddedStack._launched

    def see(stack: EmbeddedStack, name: str, child: Child) -> None:
        launched.append(child)
        note(stack, name, child)
        assert EmbeddedStack(state)._noted()["children"][name]["pid"] == child.pid

    monkeypatch.setattr(EmbeddedStack, "_launched", see)
    with pytest.raises(StackError, match="PostgreSQL did not start within 0 s"):
        EmbeddedStack(state).start()
    assert len(launched) == 1
    assert launched[0].find() is None
    stacks.empty(state)
