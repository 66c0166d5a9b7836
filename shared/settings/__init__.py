"""Every setting but those of the sandbox, from the environment (prefix ``QUADRILLE_``) or a file ``.env``.

No default hides a mistake: a process that needs a broker or a database refuses to start without it, and with an unknown
setting.
"""

import os
import re
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shared.contract.services import DATABASES
from shared.errors import QuadrilleError
from shared.settings.addresses import database_address

M = TypeVar("M", bound=BaseModel)
PREFIX = "QUADRILLE_"
SANDBOX = f"{PREFIX}SANDBOX_"
"""Prefix of the sandbox gateway's settings (``devstack/sandbox/settings.py``)."""


ADDRESSES: Final = tuple(f"{service}_database_url" for service in DATABASES)
"""The settings that name the database of each service."""


class SettingsError(QuadrilleError):
    """Invalid settings; the message says which and why."""


class Settings(BaseModel):
    """All settings. Field ``x`` is the variable ``QUADRILLE_X``. The fields that are not listed here are :data:`ADDRESSES`."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, SecretStr] = Field(init=False)

    kafka_bootstrap_servers: str | None = Field(None, description="host:port of one or more brokers, comma separated")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_cafile: Path | None = Field(None, description="certificate authorities to trust; default: the system's")
    kafka_ssl_certfile: Path | None = Field(None, description="client certificate, if the broker requires one")
    kafka_ssl_keyfile: Path | None = None
    topic_prefix: str = Field("", description="prefix of every topic and group name, for several shops on one broker")
    partitions: int = Field(6, ge=1, le=1000, description="partitions of every topic")
    replication_factor: int = Field(1, ge=1, le=9)
    kafka_compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = Field(
        "none", description="codec of produced records; every client can read none and gzip"
    )
    topic_compression: Literal["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] = Field(
        "producer", description="compression.type of new topics; producer: keep the codec of each record"
    )
    topic_max_bytes: int = Field(
        1_048_576, ge=524_288, le=16_777_216, description="max.message.bytes of new topics of commands and events"
    )
    dead_letter_max_bytes: int = Field(
        16_777_216,
        ge=1_048_576,
        le=16_777_216,
        description="the same of dead-letter topics; some clouds allow 8388608",
    )

    gateway_url: str | None = Field(None, description="base URL of the payment gateway")
    gateway_api_key: SecretStr | None = None
    gateway_timeout_seconds: float = Field(10.0, gt=0, le=120)
    shop: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_\-]{0,32}$",
        description="prefix of references at the gateway; unique per shop if several share a gateway",
    )
    payment_attempts: int = Field(8, ge=1, le=100, description="refusals after which a void or refund has failed")
    payment_backoff_seconds: float = Field(0.5, gt=0, le=60, description="delay before the second attempt; doubles up to 60 s")

    rules_file: Path | None = Field(None, description="shipping and tax rules (TOML); default: the rules shipped with order")
    session_seconds: int = Field(1800, ge=1, le=604_800, description="longest duration of a checkout session")
    reservation_seconds: int = Field(900, ge=1, le=604_800, description="how long stock is reserved for a checkout")
    extension_seconds: int = Field(1800, ge=1, le=604_800, description="how long it stays reserved after the confirmation")
    retry_hold_seconds: int = Field(300, ge=1, le=604_800, description="how long it stays reserved after a declined payment")

    hold_warning_seconds: int = Field(
        518_400, ge=1, le=2_592_000, description="age at which an authorization raises an alert and is no longer captured"
    )
    outbox_seconds: float = Field(30.0, gt=0, le=86_400, description="age at which the oldest outbox record raises an alert")
    audit_seconds: int = Field(3600, ge=1, le=604_800, description="interval of audits of payments against the gateway")
    watch_seconds: float = Field(5.0, ge=0.1, le=300, description="interval at which alerts polls groups and services")
    watched_services: str = Field("", description="cart=http://host:port,journal=...: services that alerts polls")

    step_seconds: float = Field(30.0, gt=0, le=86_400, description="duration after which a step of a checkout is overdue")
    journal_days: int = Field(90, ge=28, le=36_500, description="how long the journal keeps entries")

    console_host: str = Field("127.0.0.1", description="address of the console; other than loopback needs a password")
    console_port: int = Field(8790, ge=0, le=65_535, description="0: any free port")
    console_trusted_proxies: str = Field(
        "", description="addresses or networks of proxies in front of the console, comma separated"
    )
    console_password: SecretStr | None = Field(None, min_length=8, description="password of the console")

    alert_targets: str = Field("", description="Apprise URLs, comma separated; alerts are always logged too")
    health_host: str = "127.0.0.1"
    health_port: int = Field(0, ge=0, le=65_535, description="0: any free port")
    otlp_endpoint: str = Field(
        "", pattern=r"^(https?://[^/].*)?$", description="http://host:4318 of an OpenTelemetry collector, for traces"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    def database_url(self, service: str) -> str:
        """The address of a service's database. Raises :class:`SettingsError` if it is missing or invalid."""
        name = f"{service}_database_url"
        if name not in self.__pydantic_extra__:
            raise SettingsError(f"no database for {service}: set {PREFIX}{name.upper()}")
        try:
            return database_address(self.__pydantic_extra__[name].get_secret_value())
        except ValueError as error:
            raise SettingsError(f"{PREFIX}{name.upper()} is invalid: {error}") from None

    def payment_gateway(self) -> tuple[str, str]:
        """The payment gateway's URL and API key. Raises :class:`SettingsError` if one is missing."""
        if not self.gateway_url or self.gateway_api_key is None:
            raise SettingsError(f"no payment gateway: set {PREFIX}GATEWAY_URL and {PREFIX}GATEWAY_API_KEY")
        return self.gateway_url, self.gateway_api_key.get_secret_value()

    @property
    def console_address(self) -> str:
        """The URL of the console."""
        host = f"[{self.console_host}]" if ":" in self.console_host else self.console_host
        return f"http://{host}:{self.console_port}"

    def topic(self, name: str) -> str:
        """The name of a topic or consumer group on the broker."""
        return self.topic_prefix + name

    def require_broker(self) -> None:
        """Raise :class:`SettingsError` if the broker or a setting it needs is missing."""
        self.kafka_client()

    def kafka_client(self) -> dict[str, Any]:
        """The arguments of every aiokafka client. Raises :class:`SettingsError` if one is missing."""
        if not self.kafka_bootstrap_servers:
            raise SettingsError(f"no Kafka broker: set {PREFIX}KAFKA_BOOTSTRAP_SERVERS")
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.kafka_bootstrap_servers.split(","),
            "security_protocol": self.kafka_security_protocol,
        }
        if self.kafka_security_protocol.startswith("SASL"):
            if not self.kafka_sasl_username or self.kafka_sasl_password is None:
                raise SettingsError(f"{self.kafka_security_protocol} needs {PREFIX}KAFKA_SASL_USERNAME and _PASSWORD")
            arguments |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_sasl_username,
                "sasl_plain_password": self.kafka_sasl_password.get_secret_value(),
            }
        if self.kafka_security_protocol.endswith("SSL"):
            arguments["ssl_context"] = self._ssl_context()
        return arguments

    def _ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.kafka_ssl_cafile) if self.kafka_ssl_cafile else None)
        if self.kafka_ssl_certfile:
            context.load_cert_chain(self.kafka_ssl_certfile, self.kafka_ssl_keyfile)
        return context


def given(prefix: str = PREFIX) -> dict[str, str]:
    """The variables with a prefix in the environment, and those in ``.env`` that the environment does not set.

    ``.env`` is ignored if ``PYTHON_DOTENV_DISABLED`` is set.
    """
    file = {} if os.environ.get("PYTHON_DOTENV_DISABLED") else dotenv_values(".env")
    named = {**file, **os.environ}
    return {name: value for name, value in named.items() if name.startswith(prefix) and value is not None}


def names_broker() -> bool:
    """Whether the environment or ``.env`` names a Kafka broker."""
    return bool(given().get(f"{PREFIX}KAFKA_BOOTSTRAP_SERVERS"))


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of the environment and ``.env``, or of ``environment`` alone.

    Raises :class:`SettingsError` naming every unknown or invalid setting.
    """
    named = given() if environment is None else environment
    ours = {name: value for name, value in named.items() if name.startswith(PREFIX) and not name.startswith(SANDBOX)}
    return checked(Settings, PREFIX, ours, ADDRESSES)


def checked(kind: type[M], prefix: str, named: Mapping[str, object], more: Iterable[str] = ()) -> M:
    """Variables as settings of a kind, which has these fields and ``more``.

    Raises :class:`SettingsError` naming every unknown or invalid setting.
    """
    unknown = sorted(named.keys() - {prefix + name.upper() for name in (*kind.model_fields, *more)})
    if unknown:
        raise SettingsError(f"unknown setting{'s' if len(unknown) > 1 else ''} {', '.join(unknown)}; see .env.example")
    try:
        return kind.model_validate({name[len(prefix) :].lower(): value for name, value in named.items()})
    except ValidationError as error:
        faults = (f"{prefix}{str(detail['loc'][0]).upper()}: {_fault(detail)}" for detail in error.errors(include_input=False))
        raise SettingsError(f"invalid settings: {'; '.join(faults)}") from None


def _fault(detail: Mapping[str, Any]) -> str:
    context = detail.get("ctx", {})
    if detail["type"] == "too_short":  # pydantic counts the characters of a secret as items
        return f"must have at least {context['min_length']} characters"
    return re.sub("^(Input|String|Value) should ", "must ", str(context.get("error", detail["msg"])))
