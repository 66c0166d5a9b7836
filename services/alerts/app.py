"""The Faust application that listens to the dead-letter topic."""

from typing import Any

import faust
from faust.types.auth import CredentialsT

from services.alerts.arrivals import Arrival
from services.alerts.store import PORTION, DeadLetterStore
from shared.contract.topics import DEAD_LETTERS
from shared.settings import Settings

GROUP = "quadrille.alerts.dead-letters"
WITHIN_SECONDS = 0.1
"""How long a dead letter waits for others to share its commit."""

SESSION_SECONDS = 10.0
"""How long a dead member blocks the next one: as in the groups of the services, not Faust's minute."""
HEARTBEAT_SECONDS = 2.0


class App(faust.App):
    """A Faust worker without a data directory: it has no tables, and a killed process would leave the directory behind."""

    def _create_directories(self) -> None:
        """Create none."""


def application(settings: Settings, store: DeadLetterStore) -> Any:
    """A Faust worker without topics of its own, tables or web server. It commits an offset after the dead letter is saved."""
    client = settings.kafka_client()
    app = App(
        settings.topic(GROUP),
        broker=[f"aiokafka://{server}" for server in client["bootstrap_servers"]],
        broker_credentials=_credentials(settings, client),
        store="memory://",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
        broker_commit_interval=1.0,
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        stream_wait_empty=False,
        broker_max_poll_records=PORTION,
        stream_buffer_maxsize=PORTION,  # a dead letter may have megabytes: buffer no more than one commit
    )
    dead_letters = app.topic(
        settings.topic(DEAD_LETTERS),
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
    )

    async def save(stream: Any) -> None:
        async for events in stream.take_events(PORTION, within=WITHIN_SECONDS):
            await store.save([_arrival(event.message) for event in events])

    app.agent(dead_letters)(save)
    return app


def _arrival(message: Any) -> Arrival:
    timestamp = round(message.timestamp * 1000)
    headers = [(name, value) for name, value in message.headers or ()]
    return Arrival(message.partition, message.offset, timestamp, message.key, message.value, headers)


def _credentials(settings: Settings, client: dict[str, Any]) -> CredentialsT | None:
    if settings.kafka_security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=client["sasl_plain_username"],
            password=client["sasl_plain_password"],
            mechanism=client["sasl_mechanism"],
            ssl_context=client.get("ssl_context"),
        )
    return faust.SSLCredentials(client["ssl_context"]) if "ssl_context" in client else None
