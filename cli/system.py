"""The running system of a state folder: where its parts are, noted by ``up`` for the other commands.

Every command starts here, so the libraries of the broker and the databases are imported only where they are used.
"""

import importlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from cli import notes
from cli.processes import Child
from shared.contract.services import DATABASES
from shared.errors import QuadrilleError
from shared.settings import PREFIX, Settings, given, load, names_broker

NOTE: Final = "up.json"
BROKER: Final = f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS"


class NotRunningError(QuadrilleError):
    """Nothing runs in this state folder; start it with ``quadrille up``."""


@dataclass(frozen=True)
class Up:
    """What ``up`` notes: its own process, the settings of all services, and the port of each one's health."""

    owner: Child
    environment: dict[str, str]
    health_ports: dict[str, int]


def note(state: Path, up: Up) -> None:
    """Write the note; it holds passwords, so only its owner may read it."""
    notes.write_secret(state / NOTE, asdict(up))


def forget(state: Path, owner: Child) -> None:
    """Remove the note of a process that ends; that of another one stays."""
    if notes.read(state / NOTE).get("owner") == asdict(owner):
        (state / NOTE).unlink(missing_ok=True)


def find(state: Path) -> Up | None:
    """What runs in this folder, or nothing."""
    noted = notes.read(state / NOTE)
    if not noted:
        return None
    up = Up(Child(**noted["owner"]), noted["environment"], noted["health_ports"])
    return up if up.owner.find() else None


def settings(state: Path) -> Settings:
    """The settings of the environment and ``.env`` where they name a broker, else of what runs in this folder.

    Where the broker they name is that of what runs here, its databases are meant, too. Raises :class:`NotRunningError` where
    there is neither, :class:`SettingsError` where they cannot be used.
    """
    up, named = find(state), given()
    if up is not None and named.get(BROKER, up.environment[BROKER]) == up.environment[BROKER]:
        return load({**up.environment, **named} if BROKER in named else up.environment)
    if names_broker():
        return load()
    raise NotRunningError(f"nothing runs in {state}: start it with `quadrille up`, or name a broker in the settings")


def client_environment(state: Path) -> dict[str, str]:
    """The variables a client of Kafka needs, of what runs in this folder, or of the settings. Raises as :func:`settings`."""
    chosen = settings(state)
    needed = {name for name in Settings.model_fields if name.startswith("kafka_")} | {"topic_prefix"}
    said = chosen.model_dump(include=needed, exclude_defaults=True)
    return {PREFIX + name.upper(): _plain(value) for name, value in said.items()}


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


async def migrate(chosen: Settings) -> None:
    """Bring the database of every service to its newest version."""
    from shared.runtime.postgres import migrations

    for name in DATABASES:
        await migrations.upgrade(chosen.database_url(name), importlib.import_module(f"services.{name}.migrations"))


async def set_up(chosen: Settings) -> None:
    """Topics and databases, as the services want them."""
    from shared.runtime.kafka.topics import create_topics

    await create_topics(chosen)
    await migrate(chosen)
