"""``python -m services.payment``"""

from datetime import timedelta

from services.payment import migrations
from services.payment.gateways.chosen import gateway
from services.payment.model import Policy
from services.payment.operations import Operations
from services.payment.reactions import reactions
from services.payment.tables import STORES
from shared.runtime.definition import Definition
from shared.runtime.main import Worker, main
from shared.runtime.service import Service
from shared.settings import Settings

PATIENCE, LEAST_PATIENCE = 12, timedelta(seconds=30)
"""What we have waited for in vain may arrive within twelve times as long, and half a minute at least."""


PATIENT = 0.9
"""The part of the time a confirmed checkout has in which its authorization is waited for; the rest is for the order."""


def define(settings: Settings) -> Definition:
    """Payment, as the settings want it. Raises :class:`SettingsError` where the gateway or its key is not named."""
    settings.payment_gateway()
    warning = timedelta(seconds=settings.hold_warning_seconds)
    arrives_within = max(LEAST_PATIENCE, PATIENCE * timedelta(seconds=settings.gateway_timeout_seconds))
    customer = timedelta(seconds=PATIENT * min(settings.session_seconds, settings.extension_seconds))
    policy = Policy(
        settings.payment_attempts, settings.payment_backoff_seconds, warning, arrives_within, settings.shop, customer
    )
    return Definition(reactions, STORES, {Policy: policy})


def workers(service: Service) -> list[Worker]:
    """The calls to the gateway."""
    return [Operations(service, gateway(service.settings)).run]


if __name__ == "__main__":
    main(define, migrations, workers)
