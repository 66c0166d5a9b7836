"""What every side has on its books: each database as it is at one moment, and the gateway's own ledger.

The databases are not read at the same moment: what is on its way from one to another can look wrong.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payment.gateways.ledger import LedgerEntry, read_ledger
from shared.alerts.model import Alert
from shared.alerts.views import open_alerts
from shared.runtime.database import connect
from shared.settings import Settings

Rows = dict[str, Any]
Ledger = dict[str, list[LedgerEntry]]

_CARTS = text("SELECT cart_id AS id, state, attempts, session->>'checkout_id' AS checkout_id, order_number FROM carts")
_RESERVATIONS = text("SELECT checkout_id AS id, cart_id, state, units FROM reservations")
_STOCKS = text("SELECT sku AS id, on_hand, reserved, received, adjusted, committed FROM stocks")
_CHECKOUTS = text(
    "SELECT checkout_id AS id, cart_id, number, state, (totals->>'total')::bigint AS total, totals->>'currency' AS currency,"
    " payment, coupons_redeemed, quote->'coupons' AS coupons FROM checkouts"
)
_COUPONS = text("SELECT code AS id, redeemed, redemption_limit FROM coupons")
_PAYMENTS = text(
    "SELECT checkout_id AS id, cart_id, state, amount, currency, token, operation IS NOT NULL AS busy, reference FROM payments"
)
_OUTBOX = text(
    "SELECT count(*) FILTER (WHERE set_aside IS NULL) AS waiting, min(id) FILTER (WHERE set_aside IS NULL) AS first,"
    " count(set_aside) AS aside FROM outbox"
)
_TABLES: dict[str, dict[str, Any]] = {
    "cart": {"carts": _CARTS},
    "inventory": {"reservations": _RESERVATIONS, "stocks": _STOCKS},
    "order": {"checkouts": _CHECKOUTS, "coupons": _COUPONS},
    "payment": {"payments": _PAYMENTS},
    "alerts": {},
}


@dataclass(frozen=True)
class Books:
    """Rows by their ids. ``ledger``: the gateway's payments under our references, by checkout."""

    carts: Rows
    reservations: Rows
    stocks: Rows
    checkouts: Rows
    coupons: Rows
    payments: Rows
    outboxes: Mapping[str, Any]
    alerts: list[Alert]
    ledger: Ledger


async def read(settings: Settings) -> Books:
    """Read all books. Raises ``SQLAlchemyError``, ``OSError``, ``LedgerError``, ``SettingsError`` where one cannot be had."""
    tables: Rows = {}
    outboxes: Rows = {}

    async def read_service(service: str) -> None:
        async with _moment(settings, service) as connection:
            for name, query in _TABLES[service].items():
                tables[name] = {row.id: row async for row in await connection.stream(query)}
            outboxes[service] = (await connection.execute(_OUTBOX)).one()
            if service == "alerts":
                tables["alerts"] = await open_alerts(connection.engine)

    await asyncio.gather(*map(read_service, _TABLES))
    ours = by_checkout(await ledger(settings), tables["payments"], settings.shop)
    return Books(**tables, outboxes=outboxes, ledger=ours)


def by_checkout(ledger: Ledger, payments: Rows, shop: str) -> Ledger:
    """The gateway's payments under our references. ``shop``: what ours begin with; others are those of other shops."""
    known = {payment.reference or payment.id: payment.id for payment in payments.values()}
    prefix = f"{shop}/" if shop else ""
    return {
        known.get(reference, reference.removeprefix(prefix)): entries
        for reference, entries in ledger.items()
        if reference in known or reference.startswith(prefix)
    }


@asynccontextmanager
async def _moment(settings: Settings, service: str) -> AsyncIterator[AsyncConnection]:
    """The database of a service, as it is now however long it is read."""
    engine = connect(settings.database_url(service))
    try:
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection
    finally:
        await engine.dispose()


async def ledger(settings: Settings) -> Ledger:
    """The gateway's own payments, by their references."""
    entries: Ledger = {}
    async for entry in read_ledger(*settings.payment_gateway()):
        entries.setdefault(entry.reference, []).append(entry)
    return entries
