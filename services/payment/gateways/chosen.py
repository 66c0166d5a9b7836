"""The shop's payment gateway."""

from services.payment.gateways.http import HttpGateway
from services.payment.gateways.port import Gateway
from shared.settings import Settings, SettingsError


def gateway(settings: Settings) -> Gateway:
    """The gateway that payment calls and whose ledger the audit reads. Raises :class:`SettingsError`."""
    try:
        return HttpGateway(*settings.payment_gateway(), settings.gateway_timeout_seconds)
    except ValueError as error:
        raise SettingsError(str(error)) from None
