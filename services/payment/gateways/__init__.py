"""Payment gateways: the port the payment service talks to, and what may stand behind it."""

from services.payment.gateways.http import HttpGateway
from services.payment.gateways.ledger import LedgerEntry, LedgerError, LedgerPage, read_ledger
from services.payment.gateways.port import (
    Answer,
    Authorization,
    Declined,
    Gateway,
    LookUp,
    NotFound,
    PaymentState,
    PaymentStatus,
    Refused,
    Sought,
    Succeeded,
    Unavailable,
    Unknown,
    Unusable,
)

__all__ = [
    "Answer",
    "Authorization",
    "Declined",
    "Gateway",
    "HttpGateway",
    "LedgerEntry",
    "LedgerError",
    "LedgerPage",
    "LookUp",
    "NotFound",
    "PaymentState",
    "PaymentStatus",
    "Refused",
    "Sought",
    "Succeeded",
    "Unavailable",
    "Unknown",
    "Unusable",
    "read_ledger",
]
