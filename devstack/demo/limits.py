"""The settings of the demo: time limits short enough to wait for."""

from typing import Final

LIMITS: Final = {
    "QUADRILLE_GATEWAY_TIMEOUT_SECONDS": "2",
    "QUADRILLE_PAYMENT_BACKOFF_SECONDS": "0.1",
    "QUADRILLE_PAYMENT_ATTEMPTS": "4",
    "QUADRILLE_RESERVATION_SECONDS": "10",
}
