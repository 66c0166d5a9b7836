"""``python -m services.payment``"""

from datetime import timedelta

from services.payment import migrations
from services.payment.gateways import Gateway, HttpGateway, InstantGateway
from services.payment.model import Policy
from services.payment.operations import Operations
from services.payment.reactions import reactions
from services.payment.tables import STORES
from shared.runtime.main import Worker, main
from shared.runtime.service import Definition, Service
from shared.settings import PREFIX, Settings, SettingsError

PATIENCE, LEAST_PATIENCE = 12, timedelta(seconds=30)
"""What we have waited for in vain may arrive within twelve times as long, and half a minute at least."""


def define(settings: Settings) -> Definition:
    """Payment, as the settings want it. Raises :class:`SettingsError` where the gateway or its key is not named."""
    if settings.gateway == "http" and not (settings.gateway_url and settings.gateway_api_key):
        raise SettingsError(f"the payment gateway needs {PREFIX}GATEWAY_URL and {PREFIX}GATEWAY_API_KEY")
    hold_warning = timedelta(seconds=settings.hold_warning_seconds)
    arrives_within = max(LEAST_PATIENCE, PATIENCE * timedelta(seconds=settings.gateway_timeout_seconds))
    policy = Policy(settings.payment_attempts, settings.payment_backoff_seconds, hold_warning, arrives_within)
    return Definition(reactions, STORES, {Policy: policy})


def gateway(settings: Settings) -> Gateway:
    """The gateway the settings name."""
    if settings.gateway == "instant":
        return InstantGateway()
    assert settings.gateway_url is not None
    assert settings.gateway_api_key is not None
    return HttpGateway(settings.gateway_url, settings.gateway_api_key.get_secret_value(), settings.gateway_timeout_seconds)


def workers(service: Service) -> list[Worker]:
    """The calls to the gateway."""
    return [Operations(service, gateway(service.settings)).run]


if __name__ == "__main__":
    main(define, migrations, workers)
