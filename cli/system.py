"""The running system of a state folder, as ``up`` wrote it down for the other commands.

Every command imports this module, so it imports the libraries of Kafka and the databases only where it uses them.
"""

import importlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from cli import notes
from cli.processes import Child
from shared.contract.services import PACKAGES
from shared.errors import QuadrilleError
from shared.settings import PREFIX, Settings, given, load, names_broker

NOTE: Final = "up.json"
BROKER: Final = f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS"


class NotRunningError(QuadrilleError):
    """No system is running in this state folder."""


@dataclass(frozen=True)
class RunningSystem:
    """The process of ``up``, the settings of all services, and the health port of each."""

    owner: Child
    environment: dict[str, str]
    health_ports: dict[str, int]


def save(state: Path, running: RunningSystem) -> None:
    """Write the file; only its owner may read it, as it has passwords."""
    notes.write_secret(state / NOTE, asdict(running))


def remove(state: Path, owner: Child) -> None:
    """Remove the file if this process wrote it."""
    if notes.read(state / NOTE).get("owner") == asdict(owner):
        (state / NOTE).unlink(missing_ok=True)


def find(state: Path) -> RunningSystem | None:
    """The running system of this folder, if there is one."""
    saved = notes.read(state / NOTE)
    if not saved:
        return None
    running = RunningSystem(Child(**saved["owner"]), saved["environment"], saved["health_ports"])
    return running if running.owner.find() else None


def settings(state: Path) -> Settings:
    """The settings of the environment and ``.env`` if they name a broker, else those of the system running in this folder.

    If they name the broker of the running system, its databases are used too. Raises :class:`NotRunningError` if there is
    neither, and :class:`SettingsError`.
    """
    running, named = find(state), given()
    if running is not None and named.get(BROKER, running.environment[BROKER]) == running.environment[BROKER]:
        return load({**running.environment, **named} if BROKER in named else running.environment)
    if names_broker():
        return load()
    raise NotRunningError(f"nothing is running in {state}: run `quadrille up`, or set {BROKER}")


def client_environment(state: Path) -> dict[str, str]:
    """The environment variables of a Kafka client for :func:`settings`. Raises as it does."""
    chosen = settings(state)
    needed = {name for name in Settings.model_fields if name.startswith("kafka_")} | {"topic_prefix"}
    values = chosen.model_dump(include=needed, exclude_defaults=True)
    return {PREFIX + name.upper(): _plain(value) for name, value in values.items()}


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


async def migrate(chosen: Settings) -> None:
    """Upgrade the schema of every service's database."""
    from shared.runtime.postgres import migrations

    for name, package in PACKAGES.items():
        await migrations.upgrade(chosen.database_url(name), importlib.import_module(f"{package}.migrations"))


async def prepare(chosen: Settings) -> None:
    """Create the topics and upgrade the databases."""
    from shared.runtime.kafka.topics import create_topics

    await create_topics(chosen)
    await migrate(chosen)
