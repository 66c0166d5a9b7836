"""What every side has on its books: read once, each from its own database, and from the gateway's own ledger."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payment.gateways import LedgerEntry, read_ledger
from shared.alerts.model import Alert
from shared.alerts.views import open_alerts
from shared.contract.topics import SERVICES
from shared.runtime.database import connect
from shared.settings import Settings

Rows = dict[str, Any]

_CARTS = text("SELECT cart_id AS id, state, attempts, session->>'checkout_id' AS checkout_id, order_number FROM carts")
_RESERVATIONS = text("SELECT checkout_id AS id, cart_id, state, units FROM reservations")
_STOCKS = text("SELECT sku AS id, on_hand, reserved, received, adjusted, committed FROM stocks")
_CHECKOUTS = text(
    "SELECT checkout_id AS id, cart_id, number, state, (totals->>'total')::bigint AS total, payment, coupons_redeemed,"
    " quote->'coupons' AS coupons FROM checkouts"
)
_COUPONS = text("SELECT code AS id, redeemed, redemption_limit FROM coupons")
_PAYMENTS = text("SELECT checkout_id AS id, cart_id, state, amount, token, operation IS NOT NULL AS busy FROM payments")
_OUTBOX = text("SELECT count(*) FILTER (WHERE set_aside IS NULL) AS waiting, count(set_aside) AS aside FROM outbox")


@dataclass(frozen=True)
class Books:
    """Rows by their ids. ``ledger``: the gateway's payments by our reference; ``None`` where it keeps none we can read."""

    at: datetime
    carts: Rows
    reservations: Rows
    stocks: Rows
    checkouts: Rows
    coupons: Rows
    payments: Rows
    outboxes: Mapping[str, Any]
    alerts: list[Alert]
    ledger: dict[str, list[LedgerEntry]] | None


async def read(settings: Settings) -> Books:
    """Read all books. Raises ``SQLAlchemyError``, ``OSError``, ``LedgerError`` where one cannot be had."""
    engines = {name: connect(settings.database_url(name)) for name in (*SERVICES, "alerts")}
    try:
        carts, reservations, stocks, checkouts, coupons, payments = await asyncio.gather(
            _rows(engines["cart"], _CARTS),
            _rows(engines["inventory"], _RESERVATIONS),
            _rows(engines["inventory"], _STOCKS),
            _rows(engines["order"], _CHECKOUTS),
            _rows(engines["order"], _COUPONS),
            _rows(engines["payment"], _PAYMENTS),
        )
        outboxes: dict[str, Any] = {name: await _one(engine, _OUTBOX) for name, engine in engines.items()}
        at = (await _one(engines["order"], text("SELECT now() AS now"))).now
        alerts = await open_alerts(engines["alerts"])
    finally:
        for engine in engines.values():
            await engine.dispose()
    ledger = await _ledger(settings)
    return Books(at, carts, reservations, stocks, checkouts, coupons, payments, outboxes, alerts, ledger)


async def _rows(engine: AsyncEngine, query: Any) -> Rows:
    async with engine.connect() as connection:
        return {row.id: row async for row in await connection.stream(query)}


async def _one(engine: AsyncEngine, query: Any) -> Any:
    async with engine.connect() as connection:
        return (await connection.execute(query)).one()


async def _ledger(settings: Settings) -> dict[str, list[LedgerEntry]] | None:
    if settings.gateway != "http" or not settings.gateway_url or settings.gateway_api_key is None:
        return None
    entries: dict[str, list[LedgerEntry]] = {}
    async for entry in read_ledger(settings.gateway_url, settings.gateway_api_key.get_secret_value()):
        entries.setdefault(entry.reference, []).append(entry)
    return entries
