"""All of Quadrille on a stack: topics and databases of its own, the sandbox gateway, every service as a process."""

import asyncio
import contextlib
import functools
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

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
    name = _name()
    urls = asyncio.run(_copies(stack.admin_url, migrated(stack.admin_url), name))
    environment = {**stack.environment, **urls, "QUADRILLE_TOPIC_PREFIX": f"{name}.", **settings}
    asyncio.run(create_topics(load(environment)))
    return environment


@functools.cache
def migrated(admin_url: str) -> Mapping[str, str]:
    """The settings of migrated databases that nobody uses: copies of them take a fraction of the time."""
    urls = databases.create(admin_url, _name(), dict.fromkeys(DATABASES, "tests"))
    settings = load(urls)

    async def migrate() -> None:
        for service in DATABASES:
            await migrations.upgrade(settings.database_url(service), import_module(f"services.{service}.migrations"))

    asyncio.run(migrate())
    return urls


async def _copies(admin_url: str, urls: Mapping[str, str], name: str) -> dict[str, str]:
    """Copy the databases, under this name, each of the same role; returns their settings."""
    connection = await asyncpg.connect(admin_url)
    copies = {}
    for setting, url in urls.items():
        original = urlsplit(url).path.removeprefix("/")
        copy = f"{name}_{original.partition('_')[2]}"
        await connection.execute(f"CREATE DATABASE {copy} TEMPLATE {original} OWNER {original}")
        copies[setting] = urlsplit(url)._replace(path=f"/{copy}").geturl()
    await connection.close()
    return copies


def _name() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


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
