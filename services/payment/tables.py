"""Where payment keeps its aggregates."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, DateTime, Integer, MetaData, Table, Text

from services.payment.model import Payment
from services.payment.trouble import GatewayHealth
from shared.runtime.postgres.store import Store, timer_columns, version_column
from shared.runtime.postgres.tables import runtime_tables

metadata = MetaData()
runtime_tables(metadata)

payments = Table(
    "payments",
    metadata,
    Column("checkout_id", Text, primary_key=True),
    version_column(),
    Column("cart_id", Text, nullable=False),
    Column("state", Text),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("token", Text),
    Column("authorization_id", Text),
    Column("unwanted", Boolean, nullable=False),
    Column("operation", JSON),
    Column("serial", Integer, nullable=False),
    Column("keys", Integer, nullable=False),
    Column("asked_at", DateTime(timezone=True)),
    *timer_columns("payments"),
    Column("reference", Text),
    Column("foreign_id", Text),
    Column("leased_until", DateTime(timezone=True)),
)
"""``leased_until``: a request to the gateway is under way; set by the workers, cleared by every commit of the payment."""

gateway_health = Table(
    "gateway_health",
    metadata,
    Column("gateway", Text, primary_key=True),
    version_column(),
    Column("since", DateTime(timezone=True)),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
"""One row, once the gateway was in trouble."""

STORES = (Store(Payment, payments), Store(GatewayHealth, gateway_health))
