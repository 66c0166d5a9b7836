"""All of Quadrille on a stack: topics and databases of its own, the sandbox gateway, every service as a process."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from devstack import databases
from devstack.ports import free_port
from shared.contract.services import DATABASES
from shared.runtime.kafka.topics import create_topics
from shared.runtime.postgres import migrations
from shared.settings import Settings, load
from tests.support import services
from tests.support.compose import CONSOLE_PASSWORD
from tests.support.stacks import Stack


@dataclass(frozen=True)
class System:
    """What is running, and the settings to reach it."""

    environment: Mapping[str, str]
    services: Mapping[str, services.Running]

    @property
    def settings(self) -> Settings:
        """The settings of a client."""
        return load(dict(self.environment))


def prepare(stack: Stack, **settings: str) -> dict[str, str]:
    """Topics and migrated databases that nobody else uses; returns the settings. More settings may be given."""
    name = f"t{uuid.uuid4().hex[:8]}"
    environment = {
        **stack.environment,
        **databases.create(stack.admin_url, name, dict.fromkeys(DATABASES, "tests")),
        "QUADRILLE_TOPIC_PREFIX": f"{name}.",
        **settings,
    }
    asyncio.run(_migrate_and_create(load(environment)))
    return environment


async def _migrate_and_create(settings: Settings) -> None:
    for service in DATABASES:
        await migrations.upgrade(settings.database_url(service), import_module(f"services.{service}.migrations"))
    await create_topics(settings)


@contextlib.contextmanager
def running(stack: Stack, logs: Path, **settings: str) -> Iterator[System]:
    """The whole system, healthy: the services the stack came with, or processes of our own."""
    if stack.services is not None:
        yield System(stack.services, {})
        return
    with services.sandbox(logs) as gateway:
        console = {"QUADRILLE_CONSOLE_PORT": str(free_port()), "QUADRILLE_CONSOLE_PASSWORD": CONSOLE_PASSWORD}
        environment = prepare(stack, **gateway, **console, **settings)
        with services.running((*DATABASES, "console"), environment, logs) as started:
            yield System(environment, started)
