"""Reads a snapshot of each database, and the gateway's ledger.

The snapshots are not simultaneous: a message in flight between two services can look like a violation.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.alerts.model import Alert
from services.alerts.views import open_alerts
from services.payment.gateways.chosen import gateway
from services.payment.gateways.port import LedgerEntry
from shared.runtime.postgres.database import open_engine
from shared.settings import Settings

Rows = dict[str, Any]
Ledger = dict[str, list[LedgerEntry]]

_CARTS = text("SELECT cart_id AS id, state, attempts, session->>'checkout_id' AS checkout_id, order_number FROM carts")
_RESERVATIONS = text("SELECT checkout_id AS id, cart_id, state, units FROM reservations")
_STOCKS = text("SELECT sku AS id, on_hand, reserved, received, adjusted, committed FROM stocks")
_CHECKOUTS = text(
    "SELECT checkout_id AS id, cart_id, number, state, (totals->>'total')::bigint AS total, totals->>'currency' AS currency,"
    " payment, coupons_redeemed, quote->'coupons' AS coupons, (SELECT json_object_agg(line->>'sku', line->'quantity')"
    " FROM json_array_elements(CASE WHEN state = 'confirmed' THEN quote->'lines' END) AS line) AS items FROM checkouts"
)
_COUPONS = text("SELECT code AS id, redeemed, redemption_limit FROM coupons")
_PAYMENTS = text(
    "SELECT checkout_id AS id, cart_id, state, amount, currency, token, operation IS NOT NULL AS busy, reference FROM payments"
)
_OUTBOX = text(
    "SELECT count(*) FILTER (WHERE quarantined IS NULL) AS waiting, min(id) FILTER (WHERE quarantined IS NULL) AS first,"
    " count(quarantined) AS quarantined FROM outbox"
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
    """Read everything. Raises ``SQLAlchemyError``, ``OSError``, ``LedgerError`` or ``SettingsError``."""
    tables: Rows = {}
    outboxes: Rows = {}

    async def read_service(service: str) -> None:
        async with _snapshot(settings, service) as connection:
            for name, query in _TABLES[service].items():
                tables[name] = {row.id: row async for row in await connection.stream(query)}
            outboxes[service] = (await connection.execute(_OUTBOX)).one()
            if service == "alerts":
                tables["alerts"] = await open_alerts(connection.engine)

    await asyncio.gather(*map(read_service, _TABLES))
    ours = by_checkout(await ledger(settings), tables["payments"], settings.shop)
    return Books(**tables, outboxes=outboxes, ledger=ours)


def by_checkout(ledger: Ledger, payments: Rows, shop: str) -> Ledger:
    """The gateway's payments under our references. ``shop``: the prefix of ours; others belong to other shops."""
    known = {payment.reference or payment.id: payment.id for payment in payments.values()}
    prefix = f"{shop}/" if shop else ""
    return {
        known.get(reference, reference.removeprefix(prefix)): entries
        for reference, entries in ledger.items()
        if reference in known or reference.startswith(prefix)
    }


_PAGE: Final = text(f"{_PAYMENTS.text} WHERE checkout_id > :after ORDER BY checkout_id LIMIT :limit")
_OF_CHECKOUTS: Final = {
    ("order", "checkouts"): text(f"{_CHECKOUTS.text} WHERE checkout_id = ANY(:ids)"),
    ("inventory", "reservations"): text(f"{_RESERVATIONS.text} WHERE checkout_id = ANY(:ids)"),
}
_OF_CARTS: Final = text(f"{_CARTS.text} WHERE cart_id = ANY(:ids)")


async def money_in_pages(settings: Settings, size: int) -> AsyncIterator[Books]:
    """Everything about ``size`` payments at a time, so that only those rows are in memory, and the whole ledger.

    The last pages are entries of the ledger under our references that payment does not know. Raises as :func:`read`.
    """
    left = await ledger(settings)
    prefix = f"{settings.shop}/" if settings.shop else ""
    async with AsyncExitStack() as stack:
        urls = {service: settings.database_url(service) for service in _TABLES}
        engines = {service: await stack.enter_async_context(open_engine(url)) for service, url in urls.items()}
        alerts = await open_alerts(engines["alerts"])
        after = ""
        while payments := await _rows(engines["payment"], _PAGE, after=after, limit=size):
            after = max(payments)
            ours = {i: found for i, payment in payments.items() if (found := left.pop(payment.reference or i, None))}
            yield await _of_checkouts(engines, payments, alerts, ours)
        unknown = {name.removeprefix(prefix): found for name, found in left.items() if name.startswith(prefix)}
        for start in range(0, len(unknown), size):
            some = dict(list(unknown.items())[start : start + size])
            yield await _of_checkouts(engines, {}, alerts, some)


async def _of_checkouts(engines: Mapping[str, AsyncEngine], payments: Rows, alerts: list[Alert], ours: Ledger) -> Books:
    """The books of the checkouts of these payments and entries."""
    ids = sorted(payments.keys() | ours.keys())
    tables = {name: await _rows(engines[service], query, ids=ids) for (service, name), query in _OF_CHECKOUTS.items()}
    carts = await _rows(engines["cart"], _OF_CARTS, ids=sorted({one.cart_id for one in tables["checkouts"].values()}))
    return Books(carts=carts, stocks={}, coupons={}, payments=payments, outboxes={}, alerts=alerts, ledger=ours, **tables)


async def _rows(engine: AsyncEngine, query: TextClause, **parameters: Any) -> Rows:
    async with engine.connect() as connection:
        return {row.id: row for row in await connection.execute(query, parameters)}


@asynccontextmanager
async def _snapshot(settings: Settings, service: str) -> AsyncIterator[AsyncConnection]:
    """A connection to a service's database that reads one snapshot."""
    async with open_engine(settings.database_url(service)) as engine, engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


async def ledger(settings: Settings) -> Ledger:
    """The gateway's payments, by their references."""
    entries: Ledger = {}
    asked = gateway(settings)
    try:
        async for entry in asked.ledger():
            entries.setdefault(entry.reference, []).append(entry)
    finally:
        await asked.close()
    return entries
