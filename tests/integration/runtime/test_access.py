"""A service works with the rights that operate.md gives it on Kafka, and with no others."""

import base64
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest

from cli.processes import Child
from devstack.kafka import Kafka
from devstack.ports import free_port
from shared.client import CheckoutClient
from shared.contract.order import CancelOrder, OrderRejected
from shared.runtime import kafka
from shared.runtime.kafka.topics import create_topics
from shared.settings import Settings, load
from tests.support import services, stacks, system
from tests.support.access import Access, granted
from tests.support.stacks import Stack

ORDER, STOREFRONT, ADMIN = "order", "storefront server", "admin"
TOPIC, GROUP, LITERAL, ALLOW = 2, 3, 3, 3
READ, WRITE, DESCRIBE_CONFIGS = 3, 4, 10
"""As Kafka's protocol numbers kinds of resources and patterns, permissions and operations."""
USERS: Final = " ".join(f'user_{name}="secret"' for name in (ADMIN, ORDER, "storefront"))
LOGIN: Final = f'org.apache.kafka.common.security.plain.PlainLoginModule required username="{ADMIN}" password="secret" {USERS};'


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker that asks who its clients are, and allows nothing by itself."""
    state = tmp_path_factory.mktemp("guarded")
    stacks.link_jars(state)
    port, controller, children = free_port(), free_port(), list[Child]()
    properties = {
        "listeners": f"SASL_PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"SASL_PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": LOGIN,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{ADMIN};User:ANONYMOUS",  # of the controller's listener
        "allow.everyone.if.no.acl.found": "false",
    }
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    try:
        Kafka(state / "kafka", state / "kafka.log", cluster_id, properties).start(
            port, controller, lambda _: None, children.append
        )
        yield f"127.0.0.1:{port}"
    finally:
        for child in children:
            Kafka.stop(child)


@pytest.fixture(scope="module")
def databases(stack: Stack) -> dict[str, str]:
    """The addresses of databases that nobody else uses."""
    return {name: value for name, value in system.prepare(stack).items() if name.endswith("_DATABASE_URL")}


def login(broker: str, user: str) -> dict[str, str]:
    """The settings of a user of this broker."""
    return {
        "QUADRILLE_KAFKA_BOOTSTRAP_SERVERS": broker,
        "QUADRILLE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "QUADRILLE_KAFKA_SASL_USERNAME": user,
        "QUADRILLE_KAFKA_SASL_PASSWORD": "secret",
    }


async def grant(admin: Settings, user: str, access: Access) -> None:
    """Allow a user what the table says, and to read the settings of these topics."""
    rights = {
        *((TOPIC, topic, WRITE) for topic in access.writes),
        *((TOPIC, topic, READ) for topic in access.reads),
        *((TOPIC, topic, DESCRIBE_CONFIGS) for topic in access.reads | access.writes),
        *((GROUP, group, READ) for group in access.groups),
    }
    async with kafka.admin_client(admin) as client:
        for kind, name, operation in rights:
            request = CreateAclsRequest(kind, name, LITERAL, f"User:{user}", "*", operation, ALLOW)
            answer = await client._send_to_controller(request)
            assert [code for code, *_ in answer.creation_responses] == [0], answer


async def refused(settings: Settings, topic: str) -> None:
    """Fails if a user may write to a topic."""
    producer = AIOKafkaProducer(**settings.kafka_client())
    await producer.start()
    try:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(topic, b"x")
    finally:
        await producer.stop()


async def test_a_service_works_with_the_rights_it_is_given(broker: str, databases: dict[str, str], tmp_path: Path) -> None:
    admin, order, storefront = (load(login(broker, user)) for user in (ADMIN, ORDER, "storefront"))
    await create_topics(admin)
    await grant(admin, ORDER, granted(ORDER))
    await grant(admin, "storefront", granted(STOREFRONT))
    running = services.start(ORDER, f"services.{ORDER}", {**databases, **login(broker, ORDER)}, tmp_path)
    try:
        running.wait_until_healthy()
        async with CheckoutClient(storefront) as client:
            cancel = CancelOrder(cart_id="c", checkout_id="c.1", reason="a test")
            assert isinstance(await client.ask(cancel, (OrderRejected,)), OrderRejected)
    finally:
        running.stop()
    await refused(order, "payment.events")
    await refused(storefront, "order.events")
