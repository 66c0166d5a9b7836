"""The sandbox's settings: the environment (prefix ``QUADRILLE_SANDBOX_``), overruled by the command line."""

from ipaddress import ip_address
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from devstack.sandbox.faults import Faults, FaultsError, parse
from shared.settings import SANDBOX, SettingsError, checked, given

PREFIX: Final = SANDBOX
DEFAULT_KEY: Final = "sk_sandbox"
"""Accepted where no key is set, on loopback only. It opens nothing but play money."""


class Settings(BaseModel):
    """What may be set. Field ``x`` is the variable ``QUADRILLE_SANDBOX_X``."""

    model_config = ConfigDict(frozen=True)

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(0, ge=0, le=65_535, description="0: any free port")
    port_file: Path | None = Field(None, description="where to write the port once it is known")
    ledger: Path = Field(Path(".quadrille/sandbox.db"), description="the SQLite file; made where it is missing")
    api_key: SecretStr = Field(SecretStr(DEFAULT_KEY), description="what clients present as Bearer")
    faults: str = Field("", description="faults by rate, as in timeout_after=0.01,error=0.02,slow=0.05:0.5")
    seed: int = Field(0, description="decides which requests the faults by rate meet")
    hang_seconds: float = Field(30.0, gt=0, le=3600, description="how long a timeout hangs")
    hold_seconds: float = Field(7 * 86_400.0, gt=0, le=10**9, description="when an authorization expires")
    key_seconds: float = Field(86_400.0, gt=0, le=10**9, description="how long an idempotency key is remembered")

    def rates(self) -> Faults:
        """The faults by rate. Raises :class:`SettingsError` where they cannot be read."""
        try:
            return parse(self.faults, self.seed)
        except FaultsError as error:
            raise SettingsError(f"{PREFIX}FAULTS or --faults: {error}") from None

    def check(self) -> None:
        """Raise :class:`SettingsError` for settings that do not go together."""
        self.rates()
        if self.api_key.get_secret_value() == DEFAULT_KEY and not _is_loopback(self.host):
            raise SettingsError(f"to listen on {self.host}, set {PREFIX}API_KEY")


def load(**overrides: object) -> Settings:
    """The settings from the environment and ``.env``, overruled by ``overrides``.

    Raises :class:`SettingsError` naming every setting that is unknown or has a value it cannot have.
    """
    named = {PREFIX + name.upper(): value for name, value in overrides.items()}
    settings = checked(Settings, PREFIX, {**given(PREFIX), **named})
    settings.check()
    return settings


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
