"""What we use and change of aiokafka's inside: it is there, it is bounded, and it is changed in our own programs alone."""

import ast
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.subscription_state import SubscriptionState
from packaging.requirements import Requirement

from shared.runtime import kafka

ROOT = Path(__file__).resolve().parents[3]
PUBLIC = ("aiokafka", "aiokafka.admin", "aiokafka.errors", "aiokafka.structs")
"""Modules whose names are ours to use."""
INSIDE = {
    "aiokafka.admin.config_resource": {"ConfigResource", "ConfigResourceType.TOPIC", "ConfigResourceType.BROKER"},
    "aiokafka.conn": {
        "AIOKafkaConnection.send",
        "AIOKafkaConnection._send_sasl_token",
        "AIOKafkaConnection.close",
        "CloseReason",
        "collect_hosts",
        "create_conn",
    },
    "aiokafka.consumer": {"consumer", "fetcher"},
    "aiokafka.consumer.consumer": {"Fetcher", "SubscriptionState"},
    "aiokafka.consumer.fetcher": {"Fetcher.close", "MemoryRecords"},
    "aiokafka.consumer.subscription_state": {"SubscriptionState.fetch_context"},
    "aiokafka.coordinator.assignors.range": {"RangePartitionAssignor"},
    "aiokafka.coordinator.protocol": {"ConsumerProtocolMemberAssignment.decode"},
    "aiokafka.partitioner": {"murmur2"},
    "aiokafka.producer": {"message_accumulator"},
    "aiokafka.producer.message_accumulator": {"BatchBuilder.append"},
    "aiokafka.protocol.api": {"Request.prepare", "RequestStruct", "Response"},
    "aiokafka.protocol.types": {"CompactArray", "CompactString", "Int16", "Int32", "Int64", "Schema", "TaggedFields"},
    "aiokafka.record.default_records": {"DefaultRecordBatch", "DefaultRecordBatchBuilder.append", "_DefaultRecordBatchPy"},
    "aiokafka.record.memory_records": {"_MemoryRecordsPy.next_batch"},
}
"""All else that we use: names of modules, and of what we call or put something else in the place of."""
SHOW = """
import shared.client, shared.client.staff
from aiokafka import conn
from aiokafka.consumer import consumer, fetcher
def modules():
    return [kind.__module__.split(".")[0] for kind in (conn.AIOKafkaConnection, consumer.Fetcher, fetcher.MemoryRecords)]
print(*modules())
"""


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in INSIDE.items() for name in sorted(names)])
def test_what_we_use_of_its_inside_is_there(module: str, name: str) -> None:
    found = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)


async def test_what_we_look_at_of_its_objects_is_there() -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers="127.0.0.1:1")
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    assert isinstance(consumer._client, AIOKafkaClient)
    assert isinstance(producer.client, AIOKafkaClient)
    assert producer._sender.sender_task is None
    subscriptions = SubscriptionState()
    assert subscriptions._fetch_count == 0
    assert subscriptions._last_fetch_ended
    fetcher = Fetcher(consumer._client, subscriptions)
    assert not fetcher._pending_tasks
    assert not fetcher._fetch_task.done()
    admin = AIOKafkaAdminClient(bootstrap_servers="127.0.0.1:1")
    assert callable(admin._send_request_to_node)
    assert callable(admin._client.get_random_node)
    assert callable(admin._client.cluster.brokers)
    await fetcher.close()
    await kafka.stop(consumer)
    await kafka.stop(producer)


def test_all_we_use_of_its_inside_is_known() -> None:
    paths = [path for folder in ("shared", "services", "cli", "devstack") for path in (ROOT / folder).rglob("*.py")]
    imports = [node for path in paths for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    inside = [node for node in imports if f"{node.module}.".startswith("aiokafka.") and node.module not in PUBLIC]
    assert inside
    for node in inside:
        known = {name.split(".")[0] for name in INSIDE.get(str(node.module), ())}
        assert {alias.name for alias in node.names} <= known, node.module


def test_the_next_minor_version_has_to_be_tried_first() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (bound,) = (one for one in map(Requirement, wanted) if one.name == "aiokafka")
    major, minor = map(int, version("aiokafka").split(".")[:2])
    assert bound.specifier.contains(f"{major}.{minor}.99")
    assert not bound.specifier.contains(f"{major}.{minor + 1}.0")


def printed(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_whoever_imports_the_client_has_the_library_as_it_is() -> None:
    assert printed(SHOW) == ["aiokafka"] * 3


def test_every_service_has_it_changed_once_it_runs() -> None:
    program = f"{SHOW}\nfrom shared.runtime import main\nasync def work():\n    print(*modules())\nmain.run(work())"
    assert printed(program) == ["aiokafka"] * 3 + ["shared"] * 3


SERVICES = ("cart", "inventory", "order", "payment")
PURE = ["services.alerts.reactions", "services.payment.answers", "services.payment.gateways.port"]
PURE += [f"services.{service}.{part}" for service in SERVICES for part in ("model", "reactions")]


def test_no_reaction_brings_a_library_that_does_io() -> None:
    program = f"import sys, {', '.join(PURE)}\nprint(*{{'aiohttp', 'aiokafka', 'asyncpg', 'sqlalchemy'}} & set(sys.modules))"
    assert printed(program) == []
